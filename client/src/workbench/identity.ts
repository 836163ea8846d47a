/**
 * Who this tab is. The token stays in this tab's sessionStorage and in memory: a second tab is another guest,
 * and nothing of it is ever written to a URL, a log or another tab.
 */
import { ApiError, RestClient, type Identity } from "../lib/rest";

const STORAGE_KEY = "synq.identity";
const NAME_KEY = "synq.display-name";
/** A stored sign-in about to end is not worth starting with. */
const USEFUL_MS = 30_000;

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Take `#name=…` out of the address, leaving no trace of it in the history. */
function takeFromFragment(
  name: string,
  location: Pick<Location, "hash" | "pathname" | "search">,
  history: Pick<History, "replaceState" | "state">,
): string | null {
  if (!location.hash.includes(`${name}=`)) return null;
  const parameters = new URLSearchParams(location.hash.slice(1));
  const value = parameters.get(name);
  parameters.delete(name);
  const rest = parameters.toString();
  history.replaceState(history.state, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  return value;
}

/** The token of a sign-in link. */
export function takeTokenFromFragment(...where: [Pick<Location, "hash" | "pathname" | "search">, Pick<History, "replaceState" | "state">]): string | null {
  const token = takeFromFragment("token", ...where);
  return token && isTokenShaped(token) ? token : null;
}

/** The secret of an invite link. */
export function takeInviteFromFragment(...where: [Pick<Location, "hash" | "pathname" | "search">, Pick<History, "replaceState" | "state">]): string | null {
  const invite = takeFromFragment("invite", ...where);
  return invite && /^[\w-]{1,128}$/.test(invite) ? invite : null;
}

/** A JWT is three base64url parts; anything else never reaches the network. */
export function isTokenShaped(token: string): boolean {
  return token.length <= 8_192 && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
}

export function loadIdentity(store: Store, now = Date.now()): Identity | null {
  try {
    const value = JSON.parse(store.getItem(STORAGE_KEY) ?? "null") as Identity | null;
    if (!value || typeof value.token !== "string" || !isTokenShaped(value.token)) return null;
    if (typeof value.expiresAt === "number" && value.expiresAt - now < USEFUL_MS) return null;
    return value;
  } catch {
    return null;
  }
}

export function saveIdentity(store: Store, identity: Identity): void {
  try {
    store.setItem(STORAGE_KEY, JSON.stringify(identity));
  } catch {
    // Storage may be off or full. The sign-in then lasts as long as the page.
  }
}

export function forgetIdentity(store: Store): void {
  store.removeItem(STORAGE_KEY);
}

export function displayName(store: Store, identity: Identity): string {
  return store.getItem(NAME_KEY) || identity.name || identity.user;
}

export function saveDisplayName(store: Store, name: string): void {
  const clean = name.trim().slice(0, 40);
  if (clean) store.setItem(NAME_KEY, clean);
  else store.removeItem(NAME_KEY);
}

export type SignIn =
  | { outcome: "signed_in"; identity: Identity }
  | { outcome: "needs_token"; message: string | null }
  | { outcome: "failed"; message: string };

/** Check a token with the server and keep it. */
export async function signInWithToken(token: string, store: Store, rest = new RestClient(() => token)): Promise<SignIn> {
  if (!isTokenShaped(token)) return { outcome: "needs_token", message: "That does not look like a token: three parts with dots between." };
  try {
    const identity = { ...(await rest.me()), token };
    saveIdentity(store, identity);
    return { outcome: "signed_in", identity };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      return { outcome: "needs_token", message: "SynQ does not accept this token. It may have expired." };
    }
    return { outcome: "failed", message: error instanceof Error ? error.message : "Signing in failed." };
  }
}

/** The link's token, else this tab's earlier sign-in, else a guest. */
export async function signIn(linkToken: string | null, store: Store, guestRest = new RestClient(() => null)): Promise<SignIn> {
  const stored = loadIdentity(store);
  for (const token of [linkToken, stored?.token]) {
    if (!token) continue;
    const result = await signInWithToken(token, store);
    if (result.outcome !== "needs_token") return result;
  }
  forgetIdentity(store);
  try {
    const identity = await guestRest.guest(store.getItem(NAME_KEY) ?? undefined);
    saveIdentity(store, identity);
    return { outcome: "signed_in", identity };
  } catch (error) {
    if (error instanceof ApiError && [401, 403, 404].includes(error.status)) {
      return { outcome: "needs_token", message: linkToken ? "The token in the link is no longer valid." : null };
    }
    return { outcome: "failed", message: error instanceof Error ? error.message : "Signing in failed." };
  }
}
