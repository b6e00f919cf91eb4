//! What the scripted model does when the mesh wakes it: look into the inbox, read, answer each message, be still. It does nothing else.

import { textOf } from './fake_model.mjs';

/** The notice of a wake ends with its delivery. */
const WAKE = /ocmesh: \d+ (?:or more )?unread messages? [^]*?\(wake ([^)]+)\)/g;
/** OpenClaw keeps most tools behind one that calls others by name. */
const call = (name, args) => ({ call: 'tool_call', args: { id: `ocmesh__${name}`, args } });
/** A message as mesh_inbox tells it. OpenClaw shows the values of an answer, as JSON in JSON: its author comes before its id. */
const MESSAGE = /\\"from\\": \\"([0-9a-f]{64})\\"[^]*?\\"id\\": \\"([0-9a-f]{64})\\"/g;

/** The delivery of the newest wake in a prompt, with the place of its message. */
export function newestWake(messages) {
  for (let at = messages.length - 1; at >= 0; at -= 1) {
    const found = messages[at].role === 'user' ? [...textOf(messages[at]).matchAll(WAKE)].at(-1) : undefined;
    if (found) return { at, delivery: found[1] };
  }
  return undefined;
}

/** What the tools said in this turn. OpenClaw puts its context, with the notice in it, behind them each time; the turn began with the user before. */
export function toolAnswers(messages) {
  const began = messages.findLastIndex((message) => message.role === 'user' && !textOf(message).startsWith('<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>'));
  return messages.slice(began + 1).filter((message) => message.role === 'tool').map(textOf);
}

/** A script for the model. `answer` makes the words for one message; nothing keeps it silent. `reads: false` never acknowledges. */
export function meshAgent({ answer = () => 'Understood.', reads = true } = {}) {
  return (messages) => {
    const answers = toolAnswers(messages);
    if (!newestWake(messages)) return { say: 'NO_REPLY' };
    if (answers.length === 0) return call('mesh_inbox', {});
    const letters = [...answers[0].matchAll(MESSAGE)].map(([, from, id]) => ({ id, from })).reverse();
    if (letters.length === 0) return { say: 'NO_REPLY' };
    const steps = reads ? [call('mesh_read', { ids: letters.map(({ id }) => id) })] : [];
    for (const { id, from } of letters) {
      const text = answer(id);
      if (text) steps.push(call('mesh_send', { to: from, text, reply_to: id }));
    }
    return steps[answers.length - 1] ?? { say: 'NO_REPLY' };
  };
}
