// The default actor of commands that write: the name of the system user.
import { userInfo } from 'node:os';

/** The system may have no name for the user, for example in a container. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? 'cli';
  }
}
