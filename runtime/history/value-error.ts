// The error of a value that an option does not allow. Name: Temporal's.

export class ValueError extends Error {
  override readonly name: string = 'ValueError';
}
