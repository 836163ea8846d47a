import { useState, type ReactElement } from "react";
import type { GivenRole, Participant, RestClient, Session } from "../lib/rest";
import { Dialog } from "./Dialog";
import { Icon } from "./icons";
import { CopyButton } from "./NoticeList";
import { colorFor, initials } from "./peers";
import type { People } from "./use-names";

const ROLES: readonly (readonly [GivenRole, string])[] = [
  ["viewer", "may look"],
  ["commenter", "may comment"],
  ["editor", "may edit"],
];

export const sessionLink = (id: string, invite?: string): string =>
  // After the #, so that the secret reaches no server's log; the page takes it out of the address at once.
  `${window.location.origin}/s/${encodeURIComponent(id)}${invite === undefined ? "" : `#invite=${encodeURIComponent(invite)}`}`;

/** Who takes part, in which role, and how others get in. */
export function ShareButton({ rest, session, people, me, canManage, here }: {
  rest: RestClient;
  session: Session;
  people: People;
  me: string;
  canManage: boolean;
  /** The users who are here now. */
  here: ReadonlySet<string>;
}): ReactElement {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="share"
        aria-label="Share"
        onClick={() => {
          people.reload();
          setOpen(true);
        }}
      >
        <Icon name="people" />
        <span>Share</span>
      </button>
      <Dialog title="Share" open={open} onClose={() => setOpen(false)}>
        <Sharing rest={rest} session={session} people={people} me={me} canManage={canManage} here={here} />
      </Dialog>
    </>
  );
}

function Sharing({ rest, session, people, me, canManage, here }: Parameters<typeof ShareButton>[0]): ReactElement {
  const [problem, setProblem] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const act = async (what: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await what();
      setProblem(null);
      setSaid(done);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That did not work.");
    }
    people.reload();
  };
  const open = session.visibility === "public";
  const publicRole = ROLES.find(([role]) => role === session.public_role)?.[1] ?? "may look";
  return (
    <div className="stack sharing">
      <p className="access">
        <span className={open ? "tag" : "tag warn"}>{open ? "Public" : "Private"}</span>{" "}
        {open ? `Anyone on this SynQ who has the link ${publicRole}.` : "Only the people below can open it, and whoever has an invite link."}
      </p>
      <div className="link-row">
        <input readOnly aria-label="Link to this session" value={sessionLink(session.id)} onFocus={(event) => event.target.select()} />
        <CopyButton text={sessionLink(session.id)} label="Copy link" />
      </div>
      {canManage && <Invite rest={rest} session={session.id} onProblem={setProblem} />}
      {(problem ?? people.problem) && (
        <p className="notice error" role="alert">
          {problem ?? people.problem}
        </p>
      )}
      <ul className="participants" aria-label="Participants">
        {people.participants.map((one) => (
          <Row
            key={one.user}
            one={one}
            name={people.nameOf(one.user)}
            mine={one.user === me}
            here={here.has(one.user) || one.user === me}
            canManage={canManage}
            onRole={(role) => void act(() => rest.setRole(session.id, one.user, role), `${people.nameOf(one.user)} is now ${role}.`)}
            onRemove={() => void act(() => rest.removeParticipant(session.id, one.user), `${people.nameOf(one.user)} was removed.`)}
          />
        ))}
      </ul>
      <span className="visually-hidden" role="status">
        {said}
      </span>
    </div>
  );
}

function Row({ one, name, mine, here, canManage, onRole, onRemove }: {
  one: Participant;
  name: string;
  mine: boolean;
  here: boolean;
  canManage: boolean;
  onRole: (role: GivenRole) => void;
  onRemove: () => void;
}): ReactElement {
  const [sure, setSure] = useState(false);
  const fixed = !canManage || one.role === "owner";
  return (
    <li data-user={one.user}>
      <span className="avatar" style={{ "--peer": colorFor(one.user) } as React.CSSProperties} aria-hidden="true">
        {initials(name)}
      </span>
      <span className="participant-name">
        <strong>{name}</strong>
        <small className="muted">
          {[mine ? "you" : "", here ? "here now" : ""].filter(Boolean).join(", ") || one.user}
        </small>
      </span>
      {fixed ? (
        <span className="muted">{one.role}</span>
      ) : (
        <>
          <select aria-label={`Role of ${name}`} value={one.role} onChange={(event) => onRole(event.target.value as GivenRole)}>
            {ROLES.map(([role]) => (
              <option key={role} value={role}>
                {role}
              </option>
            ))}
          </select>
          {sure ? (
            <button type="button" className="danger" autoFocus onBlur={() => setSure(false)} onClick={onRemove}>
              Remove?
            </button>
          ) : (
            <button type="button" className="icon-button" aria-label={`Remove ${name}`} title="Remove" onClick={() => setSure(true)}>
              <Icon name="trash" />
            </button>
          )}
        </>
      )}
    </li>
  );
}

function Invite({ rest, session, onProblem }: { rest: RestClient; session: string; onProblem: (message: string | null) => void }): ReactElement {
  const [role, setRole] = useState<GivenRole>("editor");
  const [link, setLink] = useState<string | null>(null);
  const make = async (): Promise<void> => {
    try {
      const { invite } = await rest.invite(session, role);
      setLink(sessionLink(session, invite));
      onProblem(null);
    } catch (error) {
      onProblem(error instanceof Error ? error.message : "No invite could be made.");
    }
  };
  return (
    <div className="invite">
      <p className="row tight">
        <label className="inline-field">
          <span>Invite someone who</span>
          <select
            value={role}
            onChange={(event) => {
              setRole(event.target.value as GivenRole);
              setLink(null);
            }}
          >
            {ROLES.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => void make()}>
          <Icon name="link" />
          Make an invite link
        </button>
      </p>
      {link !== null && (
        <>
          <div className="link-row">
            <input readOnly aria-label="Invite link" value={link} onFocus={(event) => event.target.select()} />
            <CopyButton text={link} label="Copy invite" />
          </div>
          <p className="muted hint">Whoever opens it within a week joins. It works more than once.</p>
        </>
      )}
    </div>
  );
}
