// Whether a sensor of the SNMP bot is one that the bot takes: OIDs, expressions and output paths. Each check gives
// what is wrong and where, or null. The bot itself has the last word; this is to say it while it is typed.

const FUNCTIONS = {
  abs: [1, 1], add: [2, 2], ceil: [1, 1], cos: [1, 1], div: [2, 2], divide: [2, 2], exp: [1, 1], fix: [1, 1], floor: [1, 1], ifElse: [3, 3],
  ifElseAlt: [3, 3], log: [1, 2], log10: [1, 1], log2: [1, 1], max: [1, Infinity], min: [1, Infinity], mod: [2, 2], mul: [2, 2], multiply: [2, 2],
  pow: [2, 2], round: [1, 2], sgn: [1, 1], sign: [1, 1], sin: [1, 1], sqrt: [1, 1], sub: [2, 2], subtract: [2, 2], tan: [1, 1], trunc: [1, 1],
};
const CONSTANTS = ['pi', 'e', 'true', 'false'];
const INFIX = new Set(['==', '!=', '<=', '>=', '=', '<', '>', '+', '-', '*', '/', '%', '^', 'and', 'or']);
const TOKEN = /\s*(?:(?<number>(?:\d[\d_]*)?\.?\d+(?:e[+-]?\d+)?|\d[\d_]*\.?)|(?<value>\$\w*)|(?<name>[A-Za-z_]\w*)|(?<sign>==|!=|<=|>=|[=<>+\-*/%^()[\],?:]))/iy;
const OPERAND = 'a number, a value such as $1, a function or (';

export const functionNames = Object.keys(FUNCTIONS).join(', ');

class Wrong extends Error {}
const wrong = (column, text) => new Wrong(`Column ${column}: ${text}.`);

export function checkOid(text) {
  const numbers = text.replace(/^\./, '').split('.');
  if (!numbers.every((number) => /^\d{1,10}$/.test(number) && Number(number) < 2 ** 32)) return 'Numbers joined by dots, such as 1.3.6.1.2.1.1.3.0.';
  if (numbers.length < 2 || numbers.length > 128) return 'An OID has 2 to 128 numbers.';
  return null;
}

/** `count` is how many OIDs the sensor has: `$1` to `$count`. */
export function checkExpression(text, count) {
  try {
    const parser = new Parser(tokens(text), count);
    if (parser.peek().kind !== 'end') {
      parser.expression();
      if (parser.peek().kind !== 'end') throw parser.unexpected('an operator or the end');
    }
    return null;
  } catch (error) {
    if (error instanceof Wrong) return error.message;
    throw error;
  }
}

/** The values that an expression uses: `[1, 2]` of `$1 / $2`. */
export const valuesOf = (text) => [...new Set([...text.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)))].sort((a, b) => a - b);

function tokens(text) {
  const found = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) {
      const column = from + /^\s*/.exec(text.slice(from))[0].length;
      throw wrong(column + 1, `“${text[column]}” has no meaning here; expected ${OPERAND}, or an operator`);
    }
    const [kind, value] = Object.entries(match.groups).find(([, one]) => one !== undefined);
    found.push({ kind, text: value, column: TOKEN.lastIndex - value.length + 1 });
  }
  found.push({ kind: 'end', text: 'the end', column: end + 1 });
  return found;
}

class Parser {
  constructor(list, count) {
    Object.assign(this, { list, count, at: 0, depth: 0 });
  }

  peek() { return this.list[this.at]; }

  next() { return this.list[this.at === this.list.length - 1 ? this.at : this.at++]; }

  unexpected(expected, token = this.peek()) {
    return wrong(token.column, `expected ${expected}, found ${token.text}`);
  }

  expect(sign, expected) {
    const token = this.next();
    if (token.kind !== 'sign' || token.text !== sign) throw this.unexpected(expected, token);
  }

  /** Operands and what joins them. How tightly operators bind does not matter for whether it is one. */
  expression() {
    this.depth += 1;
    if (this.depth > 60) throw wrong(this.peek().column, 'nested too deep');
    let atom = this.operand();
    for (;;) {
      const token = this.peek();
      if (token.text === '?') {
        this.next();
        this.expression();
        this.expect(':', 'an operator, or : and what holds otherwise');
        this.expression();
        atom = false;
      } else if (INFIX.has(token.text) && token.kind !== 'end') {
        this.next();
        atom = this.operand();
      } else if (token.kind === 'value' || token.text === '(' || (token.kind === 'name' && token.text !== 'not') || (token.kind === 'number' && atom)) {
        atom = this.operand(); // 2 $1
      } else {
        this.depth -= 1;
        return;
      }
    }
  }

  /** Says whether a number may follow it without a sign. */
  operand() {
    const token = this.next();
    if (token.kind === 'number') return false;
    if (token.kind === 'value') {
      const n = /^\$[1-9]\d*$/.test(token.text) ? Number(token.text.slice(1)) : 0;
      if (n < 1 || n > this.count) throw wrong(token.column, `${token.text} is none of the values: ${this.count === 1 ? 'there is only $1' : `there are $1 to $${this.count}`}`);
      this.refuseCall();
      return true;
    }
    if (token.kind === 'sign' && (token.text === '-' || token.text === '+')) { this.operand(); return false; }
    if (token.kind === 'name' && token.text === 'not') { this.operand(); return false; }
    if (token.kind === 'sign' && (token.text === '(' || token.text === '[')) {
      const closing = token.text === '(' ? ')' : ']';
      this.expression();
      this.expect(closing, `an operator or ${closing}`);
      return true;
    }
    if (token.kind === 'name') return this.named(token);
    throw this.unexpected(OPERAND, token);
  }

  named(token) {
    if (Object.hasOwn(FUNCTIONS, token.text)) {
      this.call(token, FUNCTIONS[token.text]);
      return true;
    }
    if (!CONSTANTS.includes(token.text)) throw wrong(token.column, `there is no function ${token.text}. There are: ${functionNames}`);
    this.refuseCall();
    return true;
  }

  call(token, [least, most]) {
    this.expect('(', "( after the function's name");
    let found = 0;
    if (this.peek().text === ')') this.next();
    else {
      for (;;) {
        this.expression();
        found += 1;
        const next = this.next();
        if (next.text === ')') break;
        if (next.text !== ',') throw this.unexpected('an operator, a comma or )', next);
      }
    }
    if (found < least || found > most) throw wrong(token.column, `${token.text} takes ${most === Infinity ? `${least} or more` : least === most ? least : `${least} or ${most}`} arguments, found ${found}`);
  }

  refuseCall() {
    if (this.peek().text === '(') throw this.unexpected('an operator or the end');
  }
}

export function checkOutputPath(text, count) {
  if (text.length > 1900) return 'That is too long for a path.';
  let column = 1;
  for (const segment of text.split('.')) {
    if (!segment) return `Column ${column}: something is missing between two dots, or at an end.`;
    for (const [piece] of segment.matchAll(/\{[^}]*\}?|[^{]+/g)) {
      if (piece.startsWith('{')) {
        const n = /^\{\$(\d+)\}$/.exec(piece)?.[1];
        if (piece !== '{$index}' && n === undefined) return `Column ${column}: {$index} or {$1} is expected, found ${piece}`;
        if (n !== undefined && (Number(n) < 1 || Number(n) > count || n.startsWith('0'))) return `Column ${column}: {$${n}} is none of the values: ${count === 1 ? 'there is only {$1}' : `there are {$1} to {$${count}}`}.`;
      } else {
        const bad = /[^A-Za-z0-9_-]/.exec(piece);
        if (bad) return `Column ${column + bad.index}: “${bad[0]}” cannot stand in a path. Letters, digits, _ and - can.`;
      }
      column += piece.length;
    }
    column += 1;
  }
  return null;
}
