// Activities that belong to no workflow: runs of a kind of their own, in a namespace beside that of the workflows, so that
// their ids are their own and lists of workflows leave them out.
const suffix = '#activities';

/** Where the standalone activities of a namespace are. */
export function activitiesNamespace(namespace: string): string {
  return namespace + suffix;
}

/** The namespace itself. */
export function userNamespace(namespace: string): string {
  return isOfActivities(namespace) ? namespace.slice(0, -suffix.length) : namespace;
}

/** Whether runs of this namespace are standalone activities. */
export function isOfActivities(namespace: string): boolean {
  return namespace.endsWith(suffix);
}

/** The same of the key of a queue in which runs wait. */
export function isQueueOfActivities(queue: string): boolean {
  return queue.includes(`${suffix}/`);
}
