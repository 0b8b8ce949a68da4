/**
 * Terminates what a worker thread runs at the moment, without ending the thread: the inspector's
 * Runtime.terminateExecution, sent from the main thread. V8 unwinds to the event loop, past `catch`
 * and `finally`; the thread then takes its next message.
 */
import { Session } from "node:inspector";

interface WorkerReport {
  readonly params: {
    readonly sessionId: string;
    readonly workerInfo?: { readonly title: string };
  };
}

/** Names of threads, so that each terminator finds its own. */
let lastNumber = 0;

export class ThreadTerminator {
  /** To be given to the thread as its name; make the terminator before the thread. */
  readonly threadName: string;
  readonly #session = new Session();
  #workerSession: string | undefined;
  #lastMessage = 0;

  constructor() {
    lastNumber++;
    this.threadName = `coco-executor-${lastNumber}`;
    this.#session.connect();
    this.#session.on("NodeWorker.attachedToWorker", ({ params }: WorkerReport) => {
      const isOurs = params.workerInfo?.title.endsWith(` ${this.threadName}`) === true;
      if (isOurs) this.#workerSession = params.sessionId;
    });
    this.#session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  }

  terminate(): void {
    if (this.#workerSession === undefined) return;
    const message = { id: ++this.#lastMessage, method: "Runtime.terminateExecution" };
    this.#session.post("NodeWorker.sendMessageToWorker", {
      sessionId: this.#workerSession,
      message: JSON.stringify(message),
    });
  }

  close(): void {
    this.#session.disconnect();
  }
}
