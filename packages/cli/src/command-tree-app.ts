/** Commands of application authors. */
import type { CommandDescription } from "./command.ts";
import { connectionOptions, memberOptions } from "./connection-options.ts";

export const appCommands: readonly CommandDescription[] = [
  {
    path: "app create",
    summary: "Make a new app from a template",
    arguments: [{ name: "<name>", description: "directory of the new app" }],
    options: [
      {
        flags: "--template <name>",
        description: "what to begin with",
        choices: ["logging", "banking"],
        default: "logging",
      },
      { flags: "--json", description: "print JSON" },
    ],
    examples: [
      ["coco app create my-app", "messages by number, private and public"],
      ["coco app create bank --template banking", "accounts and transfers"],
    ],
    load: () => import("./commands/app-create.ts"),
  },
  {
    path: "app build",
    summary: "Build an app into a bundle",
    details:
      "A directory with app.json and src/*.js is taken as it is. TypeScript sources are checked " +
      "(when the app has a tsconfig.json and TypeScript is installed), compiled, and bundled " +
      "with what they import.",
    arguments: [{ name: "<dir>", description: "app directory" }],
    options: [
      { flags: "--out <file>", description: "bundle file; default: <dir>/dist/bundle.json" },
      { flags: "--no-source-maps", description: "leave the source maps out" },
      { flags: "--no-check", description: "do not check types" },
      { flags: "--json", description: "print JSON" },
    ],
    examples: [["coco app build ./my-app", "writes my-app/dist/bundle.json"]],
    load: () => import("./commands/app-build.ts"),
  },
  {
    path: "app deploy",
    summary: "Build an app and propose it to the members",
    arguments: [{ name: "<dir>", description: "app directory, or a bundle file" }],
    options: [
      { flags: "--no-source-maps", description: "leave the source maps out" },
      { flags: "--no-check", description: "do not check types" },
      ...memberOptions,
      ...connectionOptions,
    ],
    examples: [["coco app deploy ./my-app", "to the sandbox of this directory"]],
    load: () => import("./commands/app-deploy.ts"),
  },
  {
    path: "app logs",
    summary: "Show what the node and the app wrote to the log of a sandbox",
    options: [
      {
        flags: "--sandbox <dir>",
        description: "data directory of the sandbox",
        default: "workspace/sandbox",
      },
      { flags: "-f, --follow", description: "go on as lines are written" },
      { flags: "--all", description: "the node's own lines too" },
      { flags: "--json", description: "print the lines as they are" },
    ],
    examples: [["coco app logs -f", "watch the app of the sandbox"]],
    load: () => import("./commands/app-logs.ts"),
  },
];
