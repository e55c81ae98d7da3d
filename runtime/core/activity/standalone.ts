// Names of standalone activities. Each standalone activity is a run in a second namespace beside that of the workflows,
// so activity ids do not collide with workflow ids and workflow lists do not show them.
const suffix = '#activities';

/** The namespace that holds the standalone activities of `namespace`. */
export function activitiesNamespace(namespace: string): string {
  return namespace + suffix;
}

/** The inverse of `activitiesNamespace`. */
export function userNamespace(namespace: string): string {
  return isOfActivities(namespace) ? namespace.slice(0, -suffix.length) : namespace;
}

/** True when runs of this namespace are standalone activities. */
export function isOfActivities(namespace: string): boolean {
  return namespace.endsWith(suffix);
}

/** True when the runs that wait in this queue are standalone activities. */
export function isQueueOfActivities(queue: string): boolean {
  return queue.includes(`${suffix}/`);
}
