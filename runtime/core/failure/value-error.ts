// The error for a value that an option does not allow. The name is Temporal's.
import { mark } from './marked-class.ts';

export class ValueError extends Error {
  constructor(message?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
  static {
    mark(this, 'ValueError');
  }
}
