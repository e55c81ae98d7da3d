// Activities of the benchmarks. They do nothing, so that only the engine is measured.

export async function echo(payload: unknown): Promise<unknown> {
  return payload;
}
