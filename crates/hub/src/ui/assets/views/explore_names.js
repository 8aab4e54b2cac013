// Paths as people read them: the device by its name, and of several only what tells them apart.

import { unescapeSegment } from '../format.js';

/** `entity.5.ping.p0.rtt` in readable parts: `['core-switch', 'ping', 'p0', 'rtt']`. */
export function partsOf(path, entities) {
  const parts = [];
  const segments = path.split('.');
  for (let at = 0; at < segments.length; at += 1) {
    const entity = segments[at] === 'entity' ? entities.get(Number(segments[at + 1])) : null;
    if (entity) {
      parts.push(entity.name);
      at += 1;
    } else {
      parts.push(unescapeSegment(segments[at]));
    }
  }
  return parts;
}

export const titleOf = (path, entities) => partsOf(path, entities).join(' · ');

/** A label for each path, without what all of them begin or end with. */
export function labelsOf(paths, entities) {
  const all = paths.map((path) => partsOf(path, entities));
  let head = 0;
  let tail = 0;
  if (all.length > 1) {
    const shortest = Math.min(...all.map(({ length }) => length));
    while (head < shortest - 1 && all.every((parts) => parts[head] === all[0][head])) head += 1;
    while (tail < shortest - 1 - head && all.every((parts) => parts.at(-1 - tail) === all[0].at(-1 - tail))) tail += 1;
  }
  return new Map(paths.map((path, at) => [path, all[at].slice(head, all[at].length - tail).join(' · ')]));
}
