// main.tsx -- starts the UI.
// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import "./style/traces.css";
import "./style/trace.css";
import "./style/content.css";
import { App } from "./app";
import { startTheme } from "./theme";

startTheme();
render(<App />, document.getElementById("app")!);
