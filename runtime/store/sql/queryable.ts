// Anything that can execute a statement with positional parameters, with any driver.

/** A pg client, a pool, or the caller's transaction. */
export interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}
