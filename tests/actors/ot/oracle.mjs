// Answers, with @codemirror/state itself, what our Python change sets must answer.
// Reads one JSON case a line: {doc, a, b, c, pos, assoc}; a and b apply to doc, c to the result of a.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
const { ChangeSet, Text } = createRequire(process.argv[2] + "/package.json")("@codemirror/state");

for await (const line of createInterface({ input: process.stdin })) {
  const { doc, a, b, c, pos, assoc } = JSON.parse(line);
  const text = Text.of(doc.split("\n"));
  const [A, B, C] = [a, b, c].map((json) => ChangeSet.fromJSON(json));
  process.stdout.write(
    JSON.stringify({
      apply: A.apply(text).toString(),
      map: A.map(B).toJSON(),
      before: A.map(B, true).toJSON(),
      compose: A.compose(C).toJSON(),
      invert: A.invert(text).toJSON(),
      pos: A.mapPos(pos, assoc),
    }) + "\n",
  );
}
