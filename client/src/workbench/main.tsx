import { createRoot } from "react-dom/client";
import { App } from "./App";
import { ErrorBoundary } from "./ErrorBoundary";
import { takeInviteFromFragment, takeTokenFromFragment } from "./identity";
import "./styles.css";
import { applyTheme, storedTheme } from "./theme";

applyTheme(storedTheme());
// First of all, so that the secrets are out of the address before anything else can look at them.
const linkToken = takeTokenFromFragment(window.location, window.history);
const invite = takeInviteFromFragment(window.location, window.history);
// A link opened in a tab that shows its page already changes the fragment alone: begin again with it.
window.addEventListener("hashchange", () => {
  if (/[#&](invite|token)=/.test(window.location.hash)) window.location.reload();
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <ErrorBoundary>
    <App linkToken={linkToken} invite={invite} />
  </ErrorBoundary>,
);
