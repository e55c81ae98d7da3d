// Numbers with their noun, as people write them. Only for nouns whose plural ends in s.

/** `1 run`, `2 runs`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
