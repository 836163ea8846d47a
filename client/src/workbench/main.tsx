import { createRoot } from "react-dom/client";
import { App } from "./App";
import { ErrorBoundary } from "./ErrorBoundary";
import { takeTokenFromFragment } from "./identity";
import "./styles.css";
import { applyTheme, storedTheme } from "./theme";

applyTheme(storedTheme());
// First of all, so that the token is out of the address before anything else can look at it.
const linkToken = takeTokenFromFragment(window.location, window.history);

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <ErrorBoundary>
    <App linkToken={linkToken} />
  </ErrorBoundary>,
);
