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

/** How many parts all of them begin and end with. */
function shared(all) {
  let head = 0;
  let tail = 0;
  if (all.length < 2) return { head, tail };
  const shortest = Math.min(...all.map(({ length }) => length));
  while (head < shortest - 1 && all.every((parts) => parts[head] === all[0][head])) head += 1;
  while (tail < shortest - 1 - head && all.every((parts) => parts.at(-1 - tail) === all[0].at(-1 - tail))) tail += 1;
  return { head, tail };
}

/** A label for each path, without what all of them begin or end with. */
export function labelsOf(paths, entities) {
  const all = paths.map((path) => partsOf(path, entities));
  const { head, tail } = shared(all);
  return new Map(paths.map((path, at) => [path, all[at].slice(head, all[at].length - tail).join(' · ')]));
}

/** What all of them begin and end with: the title of a chart of them. */
export function commonOf(paths, entities) {
  const all = paths.map((path) => partsOf(path, entities));
  const { head, tail } = shared(all);
  return [...all[0].slice(0, head), ...(tail ? all[0].slice(-tail) : [])].join(' · ');
}
