// The error of a value that an option does not allow. Name: Temporal's.
import { mark } from './marked-class.ts';

export class ValueError extends Error {
  constructor(message?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
  static {
    mark(this, 'ValueError');
  }
}
