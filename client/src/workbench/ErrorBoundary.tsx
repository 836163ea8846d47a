import { Component, type ReactElement, type ReactNode } from "react";

/** The last line of defence: says that something broke, and offers the two ways on. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactElement | ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="centered">
        <div className="card" role="alert">
          <h1>Something broke in this page</h1>
          <p>Your program is safe on the server as far as it said “all changes saved”. Reloading brings it back.</p>
          <p className="row">
            <button type="button" className="primary" onClick={() => location.reload()}>
              Reload
            </button>
            <a className="button" href="/">
              All sessions
            </a>
          </p>
        </div>
      </main>
    );
  }
}
