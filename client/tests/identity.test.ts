import { describe, expect, it, vi } from "vitest";
import { displayName, forgetIdentity, loadIdentity, saveDisplayName, saveIdentity, signIn, takeTokenFromFragment } from "../src/workbench/identity";
import { ApiError, type RestClient } from "../src/lib/rest";

const TOKEN = "eyJh.eyJz.c2ln";

function store(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  } as unknown as Storage;
}

function address(hash: string): { taken: string | null; shown: string | null } {
  let shown: string | null = null;
  const taken = takeTokenFromFragment(
    { hash, pathname: "/s/abc", search: "?x=1" },
    { state: null, replaceState: (_state: unknown, _title: string, url?: string | URL | null) => void (shown = String(url)) },
  );
  return { taken, shown };
}

describe("the sign-in link", () => {
  it("gives its token and leaves no trace in the address", () => {
    expect(address(`#token=${TOKEN}`)).toEqual({ taken: TOKEN, shown: "/s/abc?x=1" });
    expect(address(`#token=${TOKEN}&tab=circuit`)).toEqual({ taken: TOKEN, shown: "/s/abc?x=1#tab=circuit" });
  });

  it("removes what is no token as well, and takes nothing", () => {
    expect(address("#token=<script>")).toEqual({ taken: null, shown: "/s/abc?x=1" });
    expect(address("#other")).toEqual({ taken: null, shown: null });
  });
});

describe("identity", () => {
  const identity = { token: TOKEN, user: "guest-1", name: "Keen Muon", expiresAt: Date.now() + 3_600_000 };

  it("is kept per tab and dropped when about to expire", () => {
    const tab = store();
    saveIdentity(tab, identity);
    expect(loadIdentity(tab)).toEqual(identity);
    expect(loadIdentity(tab, identity.expiresAt - 1_000)).toBeNull();
    forgetIdentity(tab);
    expect(loadIdentity(tab)).toBeNull();
    tab.setItem("synq.identity", "{broken");
    expect(loadIdentity(tab)).toBeNull();
  });

  it("shows the name the user chose", () => {
    const tab = store();
    expect(displayName(tab, identity)).toBe("Keen Muon");
    saveDisplayName(tab, "  Ada  ");
    expect(displayName(tab, identity)).toBe("Ada");
    saveDisplayName(tab, " ");
    expect(displayName(tab, identity)).toBe("Keen Muon");
  });

  it("asks for a token where guests are refused, and logs nothing", async () => {
    const spies = (["log", "info", "warn", "error", "debug"] as const).map((level) => vi.spyOn(console, level));
    const refused = { guest: () => Promise.reject(new ApiError(403, "guest_disabled", "no guests")) } as unknown as RestClient;
    expect(await signIn(null, store(), refused)).toEqual({ outcome: "needs_token", message: null });
    const down = { guest: () => Promise.reject(new ApiError(0, "unreachable", "down")) } as unknown as RestClient;
    expect(await signIn(null, store(), down)).toEqual({ outcome: "failed", message: "down" });
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });
});
