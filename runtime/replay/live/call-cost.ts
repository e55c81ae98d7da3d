// What a call has cost, according to `recordUsage` in its activity.

/** `meta`: JSON text of the event that ended an attempt. In dollars. */
export function costOf(meta: string | null): number {
  if (meta === null) return 0;
  const { usage } = JSON.parse(meta) as { readonly usage?: readonly { readonly costUsd?: number }[] };
  return (usage ?? []).reduce((sum, { costUsd = 0 }) => sum + (Number.isFinite(costUsd) ? costUsd : 0), 0);
}
