import { useEffect, useRef, useState, type FormEvent, type ReactElement } from "react";
import type { CommentEntry } from "../lib/protocol";
import type { Thread } from "../lib/threads";
import { ago } from "./Home";
import { Icon } from "./icons";
import { colorFor, initials } from "./peers";
import { SidePanel } from "./SidePanel";

/** A thread with where it stands now, in words and in order. */
export interface ShownThread {
  thread: Thread;
  where: string;
  order: number;
}

export interface CommentActions {
  reply: (thread: string, text: string) => void;
  edit: (comment: string, text: string) => void;
  remove: (comment: string) => void;
  resolve: (thread: string) => void;
  reopen: (thread: string) => void;
}

export function CommentsPanel(props: {
  threads: readonly ShownThread[];
  me: string;
  nameOf: (user: string) => string;
  canComment: boolean;
  canManage: boolean;
  /** What a new comment would be about, in words. */
  about: string;
  draft: { where: string; quote: string } | null;
  active: string | null;
  actions: CommentActions;
  /** Null where there is nothing to be commented on now. */
  onAdd: (() => void) | null;
  onSubmitDraft: (text: string) => void;
  onCancelDraft: () => void;
  onActivate: (id: string) => void;
  onClose: () => void;
}): ReactElement {
  const { threads, draft, canComment } = props;
  const sorted = [...threads].sort((a, b) => a.order - b.order || a.thread.rev - b.thread.rev);
  const open = sorted.filter(({ thread }) => !thread.resolved && !thread.orphaned);
  const orphaned = sorted.filter(({ thread }) => !thread.resolved && thread.orphaned);
  const resolved = sorted.filter(({ thread }) => thread.resolved);
  const card = (shown: ShownThread): ReactElement => <ThreadCard key={shown.thread.id} shown={shown} {...props} />;
  const tools = canComment && props.onAdd && (
    <button type="button" onClick={props.onAdd}>
      <Icon name="plus" />
      Comment
    </button>
  );
  return (
    <SidePanel title="Comments" tools={tools} onClose={props.onClose}>
      {draft && (
        <div className="thread drafting">
          <p className="thread-where">{draft.where}</p>
          {draft.quote.trim() && <blockquote className="quote">{draft.quote.trim()}</blockquote>}
          <Composer label="New comment" submit="Comment" onSubmit={props.onSubmitDraft} onCancel={props.onCancelDraft} />
        </div>
      )}
      {threads.length === 0 && !draft && (
        <p className="empty muted">{canComment ? `No comments yet. ${props.about}` : "No comments yet."}</p>
      )}
      {open.map(card)}
      {orphaned.length > 0 && <h3 className="side-heading">About what is gone</h3>}
      {orphaned.map(card)}
      {resolved.length > 0 && (
        <details className="resolved">
          <summary>
            {resolved.length} resolved {resolved.length === 1 ? "thread" : "threads"}
          </summary>
          {resolved.map(card)}
        </details>
      )}
    </SidePanel>
  );
}

function ThreadCard({ shown, active, me, nameOf, canComment, canManage, actions, onActivate }: {
  shown: ShownThread;
  active: string | null;
  me: string;
  nameOf: (user: string) => string;
  canComment: boolean;
  canManage: boolean;
  actions: CommentActions;
  onActivate: (id: string) => void;
}): ReactElement {
  const { thread, where } = shown;
  const [replying, setReplying] = useState(false);
  const card = useRef<HTMLElement>(null);
  const isActive = thread.id === active;
  useEffect(() => {
    if (isActive) card.current?.scrollIntoView({ block: "nearest" });
  }, [isActive]);
  const state = thread.orphaned ? " orphaned" : thread.resolved ? " done" : "";
  return (
    <article className={`thread${isActive ? " active" : ""}${state}`} ref={card} data-thread={thread.id} aria-label={`Thread, ${where}`}>
      <div className="thread-head">
        {thread.orphaned ? (
          <span className="thread-where">{where}</span>
        ) : (
          <button type="button" className="quiet thread-where" onClick={() => onActivate(thread.id)}>
            {where}
          </button>
        )}
        <span className="spacer" />
        {canComment && (
          <button type="button" className="quiet" onClick={() => (thread.resolved ? actions.reopen : actions.resolve)(thread.id)}>
            <Icon name={thread.resolved ? "undo" : "check"} />
            {thread.resolved ? "Reopen" : "Resolve"}
          </button>
        )}
      </div>
      {thread.quote.trim() && <blockquote className="quote">{thread.quote.trim()}</blockquote>}
      <ul className="comments">
        {thread.comments.map((comment) => (
          <Said key={comment.id} comment={comment} name={nameOf(comment.user)} mine={comment.user === me} canComment={canComment} canManage={canManage} actions={actions} />
        ))}
      </ul>
      {canComment &&
        (replying ? (
          <Composer
            label="Reply"
            submit="Reply"
            onSubmit={(text) => {
              actions.reply(thread.id, text);
              setReplying(false);
            }}
            onCancel={() => setReplying(false)}
          />
        ) : (
          <button type="button" className="quiet" onClick={() => setReplying(true)}>
            Reply
          </button>
        ))}
    </article>
  );
}

function Said({ comment, name, mine, canComment, canManage, actions }: {
  comment: CommentEntry;
  name: string;
  mine: boolean;
  canComment: boolean;
  canManage: boolean;
  actions: CommentActions;
}): ReactElement {
  const [editing, setEditing] = useState(false);
  const time = new Date(comment.ts).toISOString();
  return (
    <li className="comment">
      <p className="comment-head">
        <span className="avatar small" style={{ "--peer": colorFor(comment.user) } as React.CSSProperties} aria-hidden="true">
          {initials(name)}
        </span>
        <strong>{name}</strong>
        <time className="muted" dateTime={time} title={new Date(comment.ts).toLocaleString()}>
          {ago(comment.ts)}
          {comment.edited_ts !== undefined && " · edited"}
        </time>
        <span className="spacer" />
        {!comment.deleted && !editing && (
          <span className="comment-tools">
            {mine && canComment && (
              <button type="button" className="quiet" onClick={() => setEditing(true)}>
                Edit
              </button>
            )}
            {((mine && canComment) || canManage) && (
              <button type="button" className="icon-button" aria-label={`Delete the comment of ${name}`} title="Delete" onClick={() => actions.remove(comment.id)}>
                <Icon name="trash" />
              </button>
            )}
          </span>
        )}
      </p>
      {editing ? (
        <Composer
          label="Edit comment"
          submit="Save"
          initial={comment.text}
          onSubmit={(text) => {
            if (text !== comment.text) actions.edit(comment.id, text);
            setEditing(false);
          }}
          onCancel={() => setEditing(false)}
        />
      ) : comment.deleted ? (
        <p className="comment-text muted">Deleted</p>
      ) : (
        <p className="comment-text">{comment.text}</p>
      )}
    </li>
  );
}

const MAX_BYTES = 5_120;

function Composer({ label, submit, initial = "", onSubmit, onCancel }: {
  label: string;
  submit: string;
  initial?: string;
  onSubmit: (text: string) => void;
  onCancel: () => void;
}): ReactElement {
  const [text, setText] = useState(initial);
  const size = new TextEncoder().encode(text).length;
  const usable = text.trim() !== "" && size <= MAX_BYTES;
  const send = (event?: FormEvent): void => {
    event?.preventDefault();
    if (usable) onSubmit(text.trim());
  };
  return (
    <form className="composer" onSubmit={send}>
      <textarea
        aria-label={label}
        value={text}
        rows={2}
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.stopPropagation();
            event.preventDefault();
            send();
          } else if (event.key === "Escape") {
            event.preventDefault();
            onCancel();
          }
        }}
      />
      {size > MAX_BYTES && <p className="notice error">A comment has at most 5 KB; this one has {(size / 1_024).toFixed(1)}.</p>}
      <p className="row">
        <button type="submit" className="primary" disabled={!usable} title="Ctrl or ⌘ + Enter">
          {submit}
        </button>
        <button type="button" className="quiet" onClick={onCancel}>
          Cancel
        </button>
      </p>
    </form>
  );
}
