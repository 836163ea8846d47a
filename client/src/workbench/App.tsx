import { Suspense, lazy, useCallback, useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import { ApiError, RestClient, type Identity, type Session } from "../lib/rest";
import { Home } from "./Home";
import { displayName, saveDisplayName, signIn, type SignIn as SignInResult } from "./identity";
import { SignIn } from "./SignIn";
import { Workbench } from "./Workbench";

// Loaded by those who open a circuit session.
const CircuitWorkbench = lazy(async () => ({ default: (await import("./CircuitWorkbench")).CircuitWorkbench }));

/** The session an address names: `/s/<id>` or `/?session=<id>`. */
export function sessionOf(location: Pick<Location, "pathname" | "search">): string | null {
  const path = /^\/s\/([^/]+)\/?$/.exec(location.pathname);
  try {
    if (path?.[1]) return decodeURIComponent(path[1]);
  } catch {
    return null;
  }
  return new URLSearchParams(location.search).get("session");
}

export function App({ linkToken, invite }: { linkToken: string | null; invite: string | null }): ReactElement {
  const [result, setResult] = useState<SignInResult | null>(null);
  const asked = useRef(false);
  const start = useCallback(() => {
    setResult(null);
    void signIn(linkToken, sessionStorage).then(setResult);
  }, [linkToken]);
  useEffect(() => {
    // Once per page: a second guest would be a second user.
    if (asked.current) return;
    asked.current = true;
    start();
  }, [start]);

  if (result === null) return <Message title="Signing in…" />;
  if (result.outcome === "needs_token") return <SignIn message={result.message} onResult={setResult} />;
  if (result.outcome === "failed") return <Message title="SynQ is not answering" detail={result.message} onRetry={start} />;
  return <SignedIn identity={result.identity} invite={invite} />;
}

function SignedIn({ identity, invite }: { identity: Identity; invite: string | null }): ReactElement {
  const rest = useMemo(() => new RestClient(() => identity.token), [identity.token]);
  const [name, setName] = useState(() => displayName(sessionStorage, identity));
  const [session, setSession] = useState(() => sessionOf(window.location));
  // An invite is for the session it came with, and is used once.
  const offered = useRef(invite === null || session === null ? null : { session, invite });

  useEffect(() => {
    const onPop = (): void => setSession(sessionOf(window.location));
    window.addEventListener("popstate", onPop);
    return () => window.removeEventListener("popstate", onPop);
  }, []);

  const rename = useCallback(
    (wanted: string) => {
      saveDisplayName(sessionStorage, wanted);
      setName(displayName(sessionStorage, identity));
    },
    [identity],
  );
  const open = useCallback((id: string) => {
    window.history.pushState(null, "", `/s/${encodeURIComponent(id)}`);
    setSession(id);
  }, []);

  const common = { identity, rest, name, onName: rename };
  if (session === null) return <Home {...common} onOpen={open} />;
  const secret = offered.current?.session === session ? offered.current.invite : null;
  return <Opened key={session} id={session} invite={secret} onOpen={open} {...common} />;
}

type Opening = { phase: "opening" } | { phase: "open"; session: Session } | { phase: "failed"; title: string; detail: string; retry: boolean };

function Opened({ id, invite, identity, rest, name, onName, onOpen }: {
  id: string;
  invite: string | null;
  onOpen: (id: string) => void;
  identity: Identity;
  rest: RestClient;
  name: string;
  onName: (name: string) => void;
}): ReactElement {
  const [view, setView] = useState<Opening>({ phase: "opening" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let stopped = false;
    openSession(rest, id, invite).then(
      (next) => {
        if (!stopped) setView(next);
      },
      (error: unknown) => {
        if (!stopped) setView(failureOf(error));
      },
    );
    return () => {
      stopped = true;
    };
  }, [rest, id, invite, attempt]);

  if (view.phase === "opening") return <Message title="Opening the session…" />;
  if (view.phase === "failed") {
    const retry = view.retry ? { onRetry: () => setAttempt(attempt + 1) } : {};
    return <Message title={view.title} detail={view.detail} home {...retry} />;
  }
  const common = { session: view.session, identity, rest, name, onName, onOpen };
  if (view.session.kind !== "circuit") return <Workbench {...common} />;
  return (
    <Suspense fallback={<Message title="Opening the session…" />}>
      <CircuitWorkbench {...common} />
    </Suspense>
  );
}

async function openSession(rest: RestClient, id: string, invite: string | null): Promise<Opening> {
  // Before anything else: without it the session may not be there for this user.
  if (invite !== null) await rest.join(id, invite);
  const session = await rest.session(id);
  if (session.visibility === "public" && session.role !== "owner" && invite === null) await rest.join(id);
  return { phase: "open", session };
}

function failureOf(error: unknown): Opening {
  if (error instanceof ApiError && error.status === 404) {
    return { phase: "failed", title: "No such session", detail: "It does not exist, or it is private and you are not in it, or your invite has expired.", retry: false };
  }
  return { phase: "failed", title: "The session did not open", detail: error instanceof Error ? error.message : "Unknown error.", retry: true };
}

function Message({ title, detail, home, onRetry }: { title: string; detail?: string; home?: boolean; onRetry?: () => void }): ReactElement {
  return (
    <main className="centered">
      <div className={detail ? "card" : "card plain"} role="status">
        <h1>{title}</h1>
        {detail && <p>{detail}</p>}
        {(onRetry || home) && (
          <p className="row">
            {onRetry && (
              <button type="button" className="primary" onClick={onRetry}>
                Try again
              </button>
            )}
            {home && (
              <a className="button" href="/">
                All sessions
              </a>
            )}
          </p>
        )}
      </div>
    </main>
  );
}
