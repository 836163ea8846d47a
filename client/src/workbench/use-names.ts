/** What to call a user: the name at their caret, else the one they signed in with, else their id. */
import { useCallback, useEffect, useState } from "react";
import type { Peer } from "../lib/presence-book";
import type { Participant, RestClient } from "../lib/rest";

export interface People {
  participants: readonly Participant[];
  problem: string | null;
  nameOf: (user: string) => string;
  reload: () => void;
}

/** `wanted` changes when the list may be another: somebody came, or was given another role. Null asks nothing. */
export function usePeople(rest: RestClient, session: string, peers: readonly Peer[], me: { user: string; name: string }, wanted: string | null): People {
  const [participants, setParticipants] = useState<readonly Participant[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (wanted === null) return;
    let stopped = false;
    rest.participants(session).then(
      (page) => {
        if (stopped) return;
        setParticipants(page.items);
        setProblem(null);
      },
      (error: unknown) => {
        if (!stopped) setProblem(error instanceof Error ? error.message : "The participants could not be listed.");
      },
    );
    return () => {
      stopped = true;
    };
  }, [rest, session, wanted, round]);
  const nameOf = useCallback(
    (user: string): string => {
      if (user === me.user) return me.name;
      return peers.find((peer) => peer.user === user)?.name ?? participants.find((one) => one.user === user)?.name ?? user;
    },
    [peers, participants, me.user, me.name],
  );
  return { participants, problem, nameOf, reload: useCallback(() => setRound((n) => n + 1), []) };
}
