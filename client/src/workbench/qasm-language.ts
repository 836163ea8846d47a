/** OpenQASM 2 and 3 for CodeMirror: a tokenizer, not a parser; what is wrong with a program the server says. */
import { HighlightStyle, StreamLanguage, syntaxHighlighting, type StringStream } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { tags } from "@lezer/highlight";

const words = (list: string): Set<string> => new Set(list.split(" "));

const KEYWORDS = words(
  "OPENQASM include defcalgrammar def cal defcal gate opaque extern box let break continue if else end return for while in " +
    "switch case default pragma input output const readonly mutable durationof nop",
);
const STATEMENTS = words("measure reset barrier delay");
const TYPES = words("qreg creg qubit bit bool int uint float angle complex array void duration stretch");
const MODIFIERS = words("ctrl negctrl inv pow");
const CONSTANTS = words("pi tau euler π τ ℇ true false");
const FUNCTIONS = words(
  "arccos arcsin arctan ceiling cos exp floor log ln mod popcount pow real imag rotl rotr sin sqrt tan sizeof",
);
const GATES = words(
  "U CX u u0 u1 u2 u3 p phase x y z h s sdg t tdg sx sxdg rx ry rz r id cx cy cz ch cs csdg csx cp cphase cu cu1 cu3 crx cry crz " +
    "swap iswap cswap ccx ccz c3x c4x rxx ryy rzz rzx rccx rc3x ecr dcx gphase",
);

interface State {
  comment: boolean;
}

export type TokenName =
  | "comment" | "string" | "number" | "keyword" | "modifier" | "typeName" | "atom" | "function" | "gate"
  | "meta" | "operator" | "bracket" | "punctuation" | "variable" | "invalid";

export function token(stream: StringStream, state: State): TokenName | null {
  if (state.comment) {
    if (stream.skipTo("*/")) {
      stream.match("*/");
      state.comment = false;
    } else {
      stream.skipToEnd();
    }
    return "comment";
  }
  if (stream.eatSpace()) return null;
  if (stream.match("//")) {
    stream.skipToEnd();
    return "comment";
  }
  if (stream.match("/*")) {
    state.comment = true;
    return "comment";
  }
  if (stream.match(/^"[^"]*"?/) || stream.match(/^'[^']*'?/)) return "string";
  if (stream.sol() && stream.match(/^(#?pragma|@[A-Za-z_][\w.]*)/)) {
    return "meta";
  }
  if (stream.match(/^@[A-Za-z_][\w.]*/)) return "meta";
  if (stream.match(/^\$\d+/)) return "variable";
  if (stream.match(/^0[xX][\da-fA-F_]+|^0[oO][0-7_]+|^0[bB][01_]+/)) return "number";
  if (stream.match(/^(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\s?(im|dt|ns|us|µs|ms|s)?(?![A-Za-z_])/)) return "number";
  if (stream.match(/^(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?/)) return "number";
  const word = stream.match(/^[A-Za-z_\u0370-\u03ff\u2107][\w\u0370-\u03ff]*/u) as RegExpMatchArray | null;
  if (word) return wordToken(word[0], stream);
  if (stream.match(/^(->|==|!=|<=|>=|<<|>>|&&|\|\||\*\*|\+\+|[-+*/%^&|~!<>=]=?)/)) return "operator";
  if (stream.match(/^[()[\]{}]/)) return "bracket";
  if (stream.match(/^[;,:.@]/)) return "punctuation";
  stream.next();
  return "invalid";
}

function wordToken(word: string, stream: StringStream): TokenName {
  // `pow` is a gate modifier before `@` and a function elsewhere.
  if (MODIFIERS.has(word) && stream.match(/^\s*(\([^()]*\))?\s*@/, false)) return "modifier";
  if (KEYWORDS.has(word) || STATEMENTS.has(word)) return "keyword";
  if (TYPES.has(word)) return "typeName";
  if (CONSTANTS.has(word)) return "atom";
  if (FUNCTIONS.has(word) && stream.match(/^\s*\(/, false)) return "function";
  return GATES.has(word) ? "gate" : "variable";
}

export const qasm = StreamLanguage.define<State>({
  name: "openqasm",
  startState: () => ({ comment: false }),
  copyState: (state) => ({ ...state }),
  token,
  tokenTable: {
    gate: tags.special(tags.function(tags.variableName)),
    function: tags.function(tags.variableName),
    modifier: tags.modifier,
    meta: tags.meta,
    variable: tags.variableName,
    invalid: tags.invalid,
  },
  languageData: {
    commentTokens: { line: "//", block: { open: "/*", close: "*/" } },
    closeBrackets: { brackets: ["(", "[", "{", '"'] },
    indentOnInput: /^\s*\}$/,
  },
});

const highlighting = HighlightStyle.define([
  { tag: tags.comment, color: "var(--syn-comment)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--syn-string)" },
  { tag: tags.number, color: "var(--syn-number)" },
  { tag: tags.atom, color: "var(--syn-number)" },
  { tag: tags.keyword, color: "var(--syn-keyword)", fontWeight: "600" },
  { tag: tags.modifier, color: "var(--syn-keyword)" },
  { tag: tags.typeName, color: "var(--syn-type)" },
  { tag: tags.special(tags.function(tags.variableName)), color: "var(--syn-gate)", fontWeight: "600" },
  { tag: tags.function(tags.variableName), color: "var(--syn-type)" },
  { tag: tags.meta, color: "var(--syn-comment)" },
  { tag: tags.operator, color: "var(--syn-operator)" },
  { tag: tags.invalid, color: "var(--danger)" },
]);

export function qasmLanguage(): Extension {
  return [qasm, syntaxHighlighting(highlighting)];
}
