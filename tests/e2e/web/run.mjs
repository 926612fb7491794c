// run.mjs -- all cases against running servers: node run.mjs '{"main":{"api","otlp","audit"},…}' [part of a name]
//
// test_55_web.py starts the servers and makes a test of each line that this prints.
//
// SPDX-License-Identifier: Apache-2.0
import { runAll } from "./browser.mjs";
import "./list.cases.mjs";
import "./trace.cases.mjs";
import "./states.cases.mjs";
import "./safety.cases.mjs";
import { fill } from "./fill.mjs";

const servers = JSON.parse(process.argv[2]);
servers.ids = await fill(servers.main);
await runAll(servers, process.argv[3]);
