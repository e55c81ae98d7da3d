// sha256 for hash chains.
import { hash } from 'node:crypto';

// By way of a string: asking Node for a buffer takes six times as long (0.8 against 5.3 µs for 200 bytes, Node 24).
export const sha256 = (bytes: Uint8Array): Uint8Array => Buffer.from(hash('sha256', bytes, 'binary'), 'binary');
