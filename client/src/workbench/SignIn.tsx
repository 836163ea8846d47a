import { useState, type FormEvent, type ReactElement } from "react";
import { signInWithToken, type SignIn as Result } from "./identity";
import { Mark } from "./icons";
import { ThemeButton } from "./TopBar";

/** Where guests are not allowed: a token from `synq token`, pasted. */
export function SignIn({ message, onResult }: { message: string | null; onResult: (result: Result) => void }): ReactElement {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(message);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const result = await signInWithToken(token.trim(), sessionStorage);
    setBusy(false);
    if (result.outcome === "signed_in") onResult(result);
    else setProblem(result.message);
  };
  return (
    <main className="centered">
      <form className="card stack sign-in" onSubmit={(event) => void submit(event)}>
        <div className="brand">
          <Mark />
          <span className="wordmark">
            Syn<b>Q</b>
          </span>
          <span className="spacer" />
          <ThemeButton />
        </div>
        <h1>Sign in</h1>
        <p className="muted">
          This SynQ does not take guests. Ask whoever runs it for a sign-in link, or paste a token: <code>synq token YOUR-NAME</code> prints one.
        </p>
        <label className="field">
          <span>Token</span>
          <input type="password" autoComplete="off" spellCheck={false} value={token} onChange={(event) => setToken(event.target.value)} required autoFocus />
        </label>
        {problem && (
          <p className="notice error" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" className="primary large" disabled={busy}>
          {busy ? "Checking…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
