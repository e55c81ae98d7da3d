// Where an activity stands that the owner of its run does not execute itself.

/**
 * Who knows what became of it: a `task` stands for it; a message has `told`, and ended its task; or a client has `asked`
 * that its outcome be taken, which counts when there is neither.
 */
export type Elsewhere = 'task' | 'told' | 'asked';
