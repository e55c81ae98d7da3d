// A text is written, checked and improved in rounds. In each round several critics read it at the same time. Each model
// call is an activity whose result is in the log, so no call is ever paid twice.
import { defineContext, proxyActivities } from 'reprise/workflow';
import type * as activities from './activities.ts';

export interface ChainInput {
  prompt: string;
  critics: string[];
  /** Pause before each call of the model, which keeps it below the provider's limit. */
  delayMs: number;
}

interface Draft {
  text: string;
  round: number;
  critiques: string[];
}

const roundsMax = 3;
const { generate, validate, criticize } = proxyActivities<typeof activities>({
  startToCloseTimeout: '1 minute',
  // The provider's answer says when to try again (see RateLimitError), so the policy only limits the attempts.
  retry: { initialInterval: '1 second', maximumAttempts: 10 },
});
const draft = defineContext<Draft>({ text: '', round: 0, critiques: [] });

export async function improvementChain({ prompt, critics, delayMs }: ChainInput): Promise<string> {
  await write(1, prompt, []);
  for (let round = 1; round <= roundsMax; round++) {
    const { text } = draft.state;
    const verdict = await validate.executeWithOptions({ activityId: `validation#${round}` }, [text]);
    if (verdict.passed) break;
    const critiques = await Promise.all(
      critics.map((critic) =>
        criticize.executeWithOptions({ activityId: `criticism#${round}/${critic}` }, [{ critic, text, delayMs }]),
      ),
    );
    draft.patch(
      { op: 'replace', path: '/critiques', value: critiques },
      { source: 'llm', sourceId: 'critics', reason: verdict.problem },
    );
    await write(round + 1, prompt, critiques);
  }
  return draft.state.text;

  async function write(round: number, topic: string, critiques: string[]): Promise<void> {
    const text = await generate.executeWithOptions({ activityId: `generation#${round}` }, [topic, critiques]);
    draft.patch(
      [
        { op: 'replace', path: '/text', value: text },
        { op: 'replace', path: '/round', value: round },
      ],
      { source: 'llm', sourceId: 'writer', reason: `generation ${round}` },
    );
  }
}
