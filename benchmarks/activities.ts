// Activities of the benchmarks: what is measured is everything around them.

export async function echo(payload: unknown): Promise<unknown> {
  return payload;
}
