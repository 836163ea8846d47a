import type { ReactElement } from "react";
import type { WorkbenchProps } from "./SessionShell";

export function CircuitWorkbench({ session }: WorkbenchProps): ReactElement {
  return <p>{session.name}</p>;
}
