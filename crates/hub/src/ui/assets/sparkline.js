// Small lines beside numbers: a canvas each, drawn only when it is seen and has changed.

const colours = new Map();

/** Colours come from the style sheet, so that both themes have theirs. Read once per theme. */
export function colour(name) {
  let found = colours.get(name);
  if (!found) {
    found = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    colours.set(name, found);
  }
  return found;
}
export const forgetColours = () => colours.clear();

/**
 * Draws lines into a canvas of `width` × `height` CSS pixels. `lines` are `{ values, colour, fill }`; null is a gap.
 * All lines share one scale, from 0 to the largest.
 */
export function drawSparkline(canvas, lines, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  let top = 0;
  for (const { values } of lines) for (const v of values) if (v !== null && v > top) top = v;
  if (top === 0) top = 1;
  for (const line of lines) drawLine(context, line, top, width, height);
}

function drawLine(context, { values, colour: stroke, fill }, top, width, height) {
  const n = values.length;
  if (n < 2) return;
  const x = (i) => 1 + (i * (width - 2)) / (n - 1);
  const y = (v) => height - 1.5 - (v / top) * (height - 4);
  context.strokeStyle = stroke;
  context.lineWidth = 1.4;
  context.lineJoin = 'round';
  let from = -1;
  for (let i = 0; i <= n; i += 1) {
    const there = i < n && values[i] !== null && values[i] !== undefined;
    if (there && from < 0) from = i;
    if (there || from < 0) continue;
    context.beginPath();
    if (i - from === 1) {
      // A value that stands alone.
      context.arc(x(from), y(values[from]), 1.2, 0, 7);
      context.fillStyle = stroke;
      context.fill();
    } else {
      for (let k = from; k < i; k += 1) context.lineTo(x(k), y(values[k]));
      context.stroke();
      if (fill) {
        context.lineTo(x(i - 1), height);
        context.lineTo(x(from), height);
        context.fillStyle = fill;
        context.fill();
      }
    }
    from = -1;
  }
}
