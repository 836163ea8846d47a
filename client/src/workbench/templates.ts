/** Programs to start a session from. */
export interface Template {
  id: string;
  name: string;
  description: string;
  /** A program, or a circuit to be worked on as a drawing. */
  content: string | { qubits: number; clbits: number; gates: Record<string, object> };
}

const HEADER = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n\n';

export const TEMPLATES: readonly Template[] = [
  {
    id: "bell",
    name: "Bell pair",
    description: "Two qubits, one secret",
    content: `${HEADER}qubit[2] q;
bit[2] c;

// Half of the time 00, half of the time 11, never anything else.
h q[0];
cx q[0], q[1];
c = measure q;
`,
  },
  {
    id: "ghz",
    name: "GHZ-4",
    description: "Four qubits in step",
    content: `${HEADER}qubit[4] q;
bit[4] c;

h q[0];
cx q[0], q[1];
cx q[1], q[2];
cx q[2], q[3];

barrier q;
c = measure q;
`,
  },
  {
    id: "qft",
    name: "QFT-4",
    description: "Quantum Fourier transform",
    content: `${HEADER}qubit[4] q;
bit[4] c;

// A basis state to transform.
x q[1];
barrier q;

h q[3];
cp(pi/2) q[2], q[3];
cp(pi/4) q[1], q[3];
cp(pi/8) q[0], q[3];
h q[2];
cp(pi/2) q[1], q[2];
cp(pi/4) q[0], q[2];
h q[1];
cp(pi/2) q[0], q[1];
h q[0];
swap q[0], q[3];
swap q[1], q[2];

c = measure q;
`,
  },
  {
    id: "grover",
    name: "Grover-2",
    description: "Search four items in one query",
    content: `${HEADER}qubit[2] q;
bit[2] c;

h q;

// Oracle: marks |11>.
cz q[0], q[1];

// Diffusion.
h q;
x q;
cz q[0], q[1];
x q;
h q;

c = measure q;
`,
  },
  {
    id: "teleportation",
    name: "Teleportation",
    description: "Measure, then correct",
    content: `${HEADER}qubit[3] q;
bit[2] m;
bit out;

// The state to send.
ry(pi/3) q[0];

// A pair shared by Alice (q[1]) and Bob (q[2]).
h q[1];
cx q[1], q[2];

// Alice measures in the Bell basis.
cx q[0], q[1];
h q[0];
m[0] = measure q[0];
m[1] = measure q[1];

// Bob corrects.
if (m[1]) { x q[2]; }
if (m[0]) { z q[2]; }
out = measure q[2];
`,
  },
  {
    id: "drawn",
    name: "Drawn circuit",
    description: "Gates placed by hand, no text",
    content: { qubits: 3, clbits: 3, gates: {} },
  },
  {
    id: "blank",
    name: "Blank",
    description: "Two lines and a cursor",
    content: HEADER,
  },
];

/** A session name from a file name: `grover_n2.qasm` gives `grover_n2`. */
export function nameFromFile(file: string): string {
  const base = file.split(/[\\/]/).pop() ?? file;
  return base.replace(/\.(qasm|txt|inc)$/i, "").slice(0, 80) || "Untitled";
}
