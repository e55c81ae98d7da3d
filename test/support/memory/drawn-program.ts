// Random programs, and random schedules of what happens to them: outcomes of their calls, messages, verbs of people,
// failed tasks, lost workers.
import fc from 'fast-check';
import type { InputOp } from '../../../runtime/core/context/context-input.ts';
import { testSeed } from '../random.ts';
import type { Deed, Program } from '../fixtures/generated.ts';
import { inputOp } from '../input-ops.ts';

export interface Move {
  readonly kind:
    | 'answer'
    | 'signal'
    | 'update'
    | 'patch'
    | 'cancel'
    | 'pause'
    | 'resume'
    | 'retry'
    | 'skip'
    | 'attempt';
  /** Chooses among what is pending. */
  readonly pick: number;
  /** Chooses among outcomes, and varies values. */
  readonly value: number;
  readonly op: InputOp;
}

export interface TurnPlan {
  readonly moves: readonly Move[];
  /**
   * `fail`: the workflow task fails. `defer`: the code is being rebuilt and sees the inputs later. `lost`: the worker is
   * lost after the turn. `reload`: the code is dropped after the turn and rebuilt from the log.
   */
  readonly mode: 'run' | 'fail' | 'defer' | 'lost' | 'reload';
}

/** Everything that decides a run. */
export interface Plan {
  readonly program: Program;
  readonly turns: readonly TurnPlan[];
  /** After the planned turns, every call is answered until the program ends. */
  readonly finishes: boolean;
}

const simple = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('call' as const, 'tried' as const, 'local' as const, 'child' as const, 'tell' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('patch' as const), ops: fc.array(inputOp, { minLength: 1, maxLength: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('draft' as const),
      key: fc.constantFrom('0', '1', 'a/b', '~'),
      value: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('progress' as const), value: fc.constantFrom(0, 0.5, 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sleep' as const), ms: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(20) }, { requiredKeys: ['do'] }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('version' as const), id: fc.constantFrom('x', 'y') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(...(['abandoned', 'checkpoint', 'random', 'memo'] as const)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom(...(['cancel', 'cancel', 'fail'] as const)) }) },
);

const { deed } = fc.letrec<{ deed: Deed }>((tie) => ({
  deed: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 3, arbitrary: simple },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom(
          ...(['sequence', 'all', 'race', 'each', 'shielded', 'limited', 'caught', 'caught'] as const),
        ),
        of: fc.array(tie('deed'), { minLength: 1, maxLength: 3 }),
      }),
    },
  ),
}));

const program: fc.Arbitrary<Program> = fc.record({
  parts: fc.array(fc.array(deed, { minLength: 3, maxLength: 9, size: 'max' }), { minLength: 1, maxLength: 3 }),
  fresh: fc.boolean(),
});

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.oneof(
    { weight: 24, arbitrary: fc.constant('answer' as const) },
    { weight: 12, arbitrary: fc.constantFrom(...(['signal', 'update', 'patch', 'resume'] as const)) },
    { weight: 12, arbitrary: fc.constantFrom(...(['pause', 'retry', 'skip', 'attempt', 'attempt'] as const)) },
    { weight: 1, arbitrary: fc.constant('cancel' as const) },
  ),
  pick: fc.nat(99),
  value: fc.nat(99),
  op: inputOp,
});

export const turnPlan: fc.Arbitrary<TurnPlan> = fc.record({
  moves: fc.array(move, { minLength: 1, maxLength: 4 }),
  mode: fc.oneof(
    { weight: 8, arbitrary: fc.constant('run' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom('fail' as const, 'defer' as const, 'lost' as const, 'reload' as const),
    },
  ),
});

export const plan: fc.Arbitrary<Plan> = fc.record({
  program,
  turns: fc.array(turnPlan, { minLength: 3, maxLength: 12, size: 'max' }),
  finishes: fc.boolean(),
});

/** How often a property is tried, and from which seed. REPRISE_TEST_SEED repeats the cases of a run that failed. */
export function cases(count: number): { numRuns: number; seed: number } {
  return { numRuns: Number(process.env['PROPERTY_RUNS'] ?? count), seed: testSeed };
}
