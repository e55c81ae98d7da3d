// What zod finds wrong with an option, in plain words. Imports nothing of zod: it takes 80 ms to load.
import type { z } from 'zod';
import { describeValue } from '../../runtime/core/json/json.ts';

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  undefined: 'nothing',
};

/** Goes behind the option's name: ` is missing, expected text`. `given` is what was checked. */
export function issueText(given: unknown, issue: z.core.$ZodIssue): string {
  if (issue.code === 'custom') return `: ${issue.message}`;
  if (issue.code === 'unrecognized_keys') return ` has no option "${issue.keys[0]}"`;
  let value = given;
  for (const key of issue.path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  const found = value === undefined ? 'missing' : describeValue(value);
  return ` is ${found}, expected ${expectedBy(issue)}`;
}

function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeWords[issue.expected] ?? issue.expected;
    case 'too_small': {
      if (issue.origin === 'string') return `text of at least ${issue.minimum} character`;
      return issue.inclusive === true ? `${issue.minimum} or more` : `more than ${issue.minimum}`;
    }
    case 'too_big':
      return issue.origin === 'string' ? `text of at most ${issue.maximum} characters` : `${issue.maximum} or less`;
    case 'invalid_value':
      return issue.values.map(String).join(' or ');
    case 'invalid_union':
      return 'true or false';
    default:
      return issue.message;
  }
}
