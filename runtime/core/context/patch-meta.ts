// `meta` of ContextPatched: what a patch says about the document besides its operations.

export interface PatchMeta {
  /** The document has this version of its definition from this patch on. Absent on a first patch: version 1. */
  version?: number;
  /** The patch holds the document of this run, as it was after event `seq`. */
  from?: { runId: string; seq: number };
  /** 0 to 1, from `progress()`. */
  progress?: number;
  /** The step that the progress belongs to. */
  ref?: string;
}

export function readPatchMeta(meta: string | null | undefined): PatchMeta {
  return typeof meta === 'string' ? (JSON.parse(meta) as PatchMeta) : {};
}

/** Null without content, as for most patches. */
export function patchMetaText(meta: PatchMeta): string | null {
  const text = JSON.stringify(meta);
  return text === '{}' ? null : text;
}
