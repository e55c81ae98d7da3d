// Colors for text that people read. Plain text if the output is not a terminal, or if NO_COLOR is set.
import { styleText } from 'node:util';

export type Color = 'red' | 'green' | 'yellow' | 'gray' | 'bold';

export function colored(color: Color, text: string): string {
  return styleText(color, text, { stream: process.stdout });
}
