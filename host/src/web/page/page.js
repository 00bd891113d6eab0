// A client of the room (docs/room-protocol.md) in a browser. Sections: bytes, messages, display, session, connection, log, door, start.
// What others write is put into the page as text, never as HTML.
"use strict";
(() => {
  const VERSION = 1, SUBPROTOCOL = "chat-host.room.1";
  const FRAME_BYTES_MAX = 1200, STUFFED_BYTES_MAX = 1205;
  const UNDER_WAY_MAX = 16, UNDER_WAY_BYTES_MAX = 4096;
  const CONNECT_MS = 5000, WELCOME_MS = 10000, PROBE_MS = 5000, STEADY_MS = 10000, ADDRESS_PAUSE_MS = 60000;
  const SLICE_MS = 8, UNCONFIRMED_MS = 3000, ROWS_MAX = 500, ROWS_A_FRAME = 50, MALFORMED_MAX = 3;
  const element = (id) => document.getElementById(id);
  const now = () => performance.now();

  // --- Bytes (sections 2 and 3) ---

  class Malformed extends Error {}

  const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** Writes fields one behind the other. */
  class Writer {
    bytes = [];
    byte(value) { this.bytes.push(value); return this; }
    varint(value) {
      let rest = BigInt(value);
      for (; rest > 127n; rest >>= 7n) this.bytes.push(Number(rest & 127n) | 128);
      return this.byte(Number(rest));
    }
    raw(bytes) { for (const byte of bytes) this.bytes.push(byte); return this; }
    text(text) { const bytes = encoder.encode(text); return this.varint(bytes.length).raw(bytes); }
  }

  /** Reads fields; throws Malformed where they cannot be decoded. */
  class Reader {
    constructor(bytes) { this.bytes = bytes; this.at = 0; }
    byte() {
      if (this.at >= this.bytes.length) throw new Malformed("the frame is too short");
      return this.bytes[this.at++];
    }
    bool() { const byte = this.byte(); if (byte > 1) throw new Malformed("no bool"); return byte === 1; }
    big(bits) {
      let value = 0n;
      for (let shift = 0n; shift < BigInt(Math.ceil(bits / 7) * 7); shift += 7n) {
        const byte = this.byte();
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) {
          if (value >> BigInt(bits)) break;
          return value;
        }
      }
      throw new Malformed("a number is too large");
    }
    number(bits) { return Number(this.big(bits)); }
    signed() { const value = this.big(64); return Number((value >> 1n) ^ -(value & 1n)); }
    raw(length) {
      if (this.at + length > this.bytes.length) throw new Malformed("a length passes the end");
      return this.bytes.subarray(this.at, this.at += length);
    }
    text(length = this.number(32)) {
      try { return decoder.decode(this.raw(length)); } catch { throw new Malformed("a text is not UTF-8"); }
    }
  }

  const stuff = (message) => {
    const out = [0];
    let code = 0;
    for (const byte of message) {
      if (byte !== 0) out.push(byte);
      if (byte === 0 || out.length - code === 255) { out[code] = out.length - code; code = out.length; out.push(0); }
    }
    out[code] = out.length - code;
    out.push(0);
    return Uint8Array.from(out);
  };

  const unstuff = (frame) => {
    const out = [];
    for (let i = 0; i < frame.length;) {
      const code = frame[i], end = i + code;
      if (end > frame.length) throw new Malformed("the stuffing passes the end");
      for (let k = i + 1; k < end; k++) out.push(frame[k]);
      i = end;
      if (code !== 255 && i < frame.length) out.push(0);
    }
    if (out.length > FRAME_BYTES_MAX) throw new Malformed("a frame is too long");
    return Uint8Array.from(out);
  };

  /** Finds the frames in what comes, in whatever pieces. */
  class Frames {
    buffer = [];
    take(piece, each) {
      for (const byte of piece) {
        if (byte !== 0) {
          if (this.buffer.length === STUFFED_BYTES_MAX) throw new Malformed("a frame is too long");
          this.buffer.push(byte);
        } else if (this.buffer.length > 0) {
          const frame = this.buffer;
          this.buffer = [];
          each(unstuff(frame));
        }
      }
    }
  }

  // --- Messages (section 4) ---

  const write = {
    join: (token, seen, name) => {
      const writer = new Writer().byte(0).byte(VERSION).raw(token);
      if (seen && seen.sequence !== null) writer.byte(1).varint(seen.epoch).varint(seen.sequence).varint(seen.messages);
      else writer.byte(0);
      return writer.text(name).bytes;
    },
    say: (number, kind, text) => new Writer().byte(2).varint(number).byte(kind).text(text).bytes,
    who: (page) => new Writer().byte(3).varint(page).bytes,
    leave: () => [4], ping: () => [5], pong: () => [6],
  };

  const read = (bytes) => {
    const r = new Reader(bytes);
    switch (r.number(32)) {
      case 5: return { kind: "ping" };
      case 6: return { kind: "pong" };
      case 7: return {
        kind: "welcome", version: r.byte(), epoch: r.big(64), next: r.big(64), messages: r.big(64), head: r.big(64), taken: r.number(32),
        history: r.byte(), members: r.number(32), announcedMax: r.number(32), timeMs: r.signed(), trusted: r.bool(),
        textBytesMax: r.number(16), burst: r.number(16), perSecond: r.number(16), pingMs: r.number(32), goneMs: r.number(32),
      };
      case 8: return { kind: "historyEnd" };
      case 9: return { kind: "joined", sequence: r.big(64), name: r.text() };
      case 10: return { kind: "left", sequence: r.big(64), name: r.text() };
      case 11: return {
        kind: "said", sequence: r.big(64), sentMs: r.signed(), number: r.number(32), action: r.byte() === 1, name: r.text(), text: r.text(),
      };
      case 12: return { kind: "lagged", messages: r.big(64) };
      case 13: return { kind: "unsaid", number: r.number(32), reason: r.number(16) };
      case 14: {
        const page = r.number(32), more = r.bool(), names = [], inner = new Reader(r.raw(r.number(32)));
        while (inner.at < inner.bytes.length) names.push(inner.text(inner.byte()));
        return { kind: "members", page, more, names };
      }
      case 15: return { kind: "refused", reason: r.number(16) };
      default: return { kind: "unknown" };
    }
  };

  const REASONS = {
    1: "this page and the server speak different versions: load the page again", 2: "the server does not know what was sent",
    3: "the server could not decode what was sent", 4: "what was sent is longer than the protocol allows",
    10: "write a name", 11: "the name is longer than 32 bytes", 12: "the name has a character that names must not have, such as a space",
    13: "the name has an accent that stands by itself", 14: "the name begins or ends with a character that only its middle may have",
    15: "the name mixes Latin letters with those of another script", 16: "somebody else has this name: choose another one",
    20: "the room is full", 21: "too many connections come from your network", 22: "too many joins came from your network",
    23: "the server has no room for one more connection at this moment", 30: "the text is empty", 31: "the text is too long",
    40: "joining took too long", 41: "nothing was heard from you for too long", 43: "you went on in another tab or window",
    44: "the server was stopped",
  };
  const reasonText = (reason) => `${REASONS[reason] || "the server says no"} (${reason})`;

  // --- Display (docs/display.md) ---

  const NEVER = "\\u0000-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u061C\\u200E\\u200F\\u202A-\\u202E\\u2066-\\u2069\\u2028\\u2029\\u00AD\\u034F" +
    "\\u115F\\u1160\\u17B4\\u17B5\\u180E\\u200B-\\u200D\\u2060-\\u2065\\u206A-\\u206F\\u3164\\uFEFF\\uFFA0\\uFFF0-\\uFFFB" +
    "\\u{1BCA0}-\\u{1BCA3}\\u{1D173}-\\u{1D17A}\\u{E0000}-\\u{E00FF}\\u{E01F0}-\\u{E0FFF}";
  const never = new RegExp(`[${NEVER}]`, "u"), joiner = /[\u200C\u200D]/, mark = /\p{M}/u;
  const wide = /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;
  const plain = /^[ -~]*$/;

  /** What is shown of a name or a text. */
  const display = (text) => {
    if (plain.test(text)) return text;
    const characters = [...text.replace(/^\uFEFF/, "")];
    const joins = (c) => c !== undefined && c > "\u007F" && !never.test(c);
    let shown = "", cells = 0, marks = 0;
    characters.forEach((c, i) => {
      let put = c;
      marks = mark.test(c) && !never.test(c) ? marks + 1 : 0;
      if (c === "\t") put = " ".repeat(4 - cells % 4);
      else if (c === "\n") put = " ⏎ ";
      else if (marks > 4) put = "\uFFFD";
      else if (never.test(c) && !(joiner.test(c) && joins(characters[i - 1]) && joins(characters[i + 1]))) put = "\uFFFD";
      else if (marks > 0 || joiner.test(c)) cells -= 1;
      cells += c === "\t" || c === "\n" ? put.length : wide.test(put) ? 2 : 1;
      shown += put;
    });
    return shown;
  };

  /** Which of the twelve colours a name has. */
  const colour = (name) => {
    let hash = 0x811c9dc5;
    for (const byte of encoder.encode(name.toLowerCase().replace(/\u03C2/g, "\u03C3"))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    return hash % 12;
  };

  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // --- Session: what outlives a connection, and a reload (section 5) ---

  const KEY = "chat-host";
  const tab = Math.random().toString(36).slice(2);
  let session = null;

  const newSession = (name) => {
    const token = crypto.getRandomValues(new Uint8Array(16));
    // `seen` is how far this page has got; `base` is where its log begins, from which a page that was loaded again is filled again.
    return { name, token: [...token], next: 1, confirmed: 0, seen: null, base: null, underWay: [], waiting: [], wasIn: false };
  };
  const save = () => {
    const position = (p) => p && { epoch: String(p.epoch), sequence: p.sequence === null ? null : String(p.sequence), messages: String(p.messages) };
    try {
      if (session === null) return sessionStorage.removeItem(KEY);
      const lines = (list) => list.map(({ number, action, text, head }) => ({ number, action, text, head: String(head || 0n) }));
      sessionStorage.setItem(KEY, JSON.stringify({
        ...session, seen: position(session.seen), base: position(session.base), underWay: lines(session.underWay), waiting: lines(session.waiting),
      }));
    } catch { /* A browser without storage keeps the session for as long as the page is there. */ }
  };
  const restore = () => {
    try {
      const stored = JSON.parse(sessionStorage.getItem(KEY));
      if (!stored) return null;
      const position = (p) => p && { epoch: BigInt(p.epoch), sequence: p.sequence === null ? null : BigInt(p.sequence), messages: BigInt(p.messages) };
      const lines = (list) => list.map((line) => ({ ...line, head: BigInt(line.head), since: now(), row: null }));
      return { ...stored, seen: position(stored.seen), base: position(stored.base), underWay: lines(stored.underWay), waiting: lines(stored.waiting) };
    } catch { return null; }
  };

  // A duplicated tab has a copy of the storage, and so has a tab that was opened from this one. Two with one token would put each other
  // out. Whoever finds a stored session asks whether its owner is still there; after a reload nobody answers. Another kind of arrival
  // may well be a copy, whose owner may be busy, and is given more time.
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(KEY) : null;
  const tokenText = () => session && session.token.join();
  const isDuplicate = (token) => new Promise((resolve) => {
    if (!channel) return resolve(false);
    const listen = ({ data }) => { if (data.owner === token && data.tab !== tab) finish(true); };
    const finish = (answer) => { channel.removeEventListener("message", listen); resolve(answer); };
    channel.addEventListener("message", listen);
    channel.postMessage({ asks: token, tab });
    const [navigation] = performance.getEntriesByType("navigation");
    setTimeout(() => finish(false), navigation && navigation.type === "reload" ? 250 : 1000);
  });
  if (channel) channel.addEventListener("message", ({ data }) => {
    if (data.asks && data.tab !== tab && data.asks === tokenText()) channel.postMessage({ owner: data.asks, tab });
  });

  // --- Connection (section 5) ---

  let socket = null, frames = null, state = "ended", welcome = null;
  let heard = 0, deadline = null, isPinging = false, afterLag = null, inSince = 0, leftSince = null, sentSeen = null;
  let retries = 0, retryTimer = null, notBefore = 0, malformed = 0, isReplay = false, replayedTo = null, lagKnown = 0n, lagTold = 0n, holdUntil = null;
  let alreadyRead = null, isHistory = false;

  const send = (message) => { if (socket && socket.readyState === WebSocket.OPEN) socket.send(stuff(message)); };

  /** Asks for a sign of life. One PING is under way at a time: so a PONG is the answer to the last one. */
  const ping = () => { if (!isPinging) { isPinging = true; send(write.ping()); } };

  const connect = () => {
    clearTimeout(retryTimer);
    retryTimer = null;
    state = "connecting";
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const opened = new WebSocket(`${scheme}//${location.host}/room`, SUBPROTOCOL);
    opened.binaryType = "arraybuffer";
    socket = opened;
    frames = new Frames();
    deadline = now() + CONNECT_MS;
    opened.onopen = () => {
      if (socket !== opened) return;
      if (opened.protocol !== SUBPROTOCOL) return handleMalformed();
      state = "joining";
      heard = now();
      deadline = now() + WELCOME_MS;
      [isPinging, afterLag, welcome] = [false, null, null];
      sentSeen = session.seen && session.seen.sequence !== null ? { ...session.seen } : null;
      send(write.join(session.token, session.seen, session.name));
    };
    opened.onmessage = ({ data }) => {
      if (socket !== opened) return;
      heard = now();
      if (state === "in") deadline = null;
      incoming.push(data);
      if (!isConsuming) { isConsuming = true; consume(); }
    };
    // Some browsers tell a connection that the policy blocks by an error alone.
    opened.onclose = opened.onerror = () => { if (socket === opened) handleBroken(); };
    showState();
  };

  // What has come is looked at for a few milliseconds at a time, so that keys are answered during a flood.
  let incoming = [], isConsuming = false, consumedUntil = 0;
  const consume = () => {
    const start = now(), from = socket;
    if (start < consumedUntil && !document.hidden) return void setTimeout(consume, consumedUntil - start);
    while (incoming.length > 0 && (now() - start < SLICE_MS || document.hidden)) {
      try {
        frames.take(new Uint8Array(incoming.shift()), (frame) => { if (socket === from) handle(read(frame)); });
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        handleMalformed();
      }
      if (socket !== from) break;
    }
    consumedUntil = now() + 2 * (now() - start);
    isConsuming = incoming.length > 0;
    if (isConsuming) setTimeout(consume, 2 * SLICE_MS);
    schedule();
  };

  const drop = () => {
    incoming = [];
    const old = socket;
    [socket, frames] = [null, null];
    if (old) { old.onopen = old.onmessage = old.onclose = old.onerror = null; old.close(); }
  };

  const handleMalformed = () => {
    malformed += 1;
    if (malformed >= MALFORMED_MAX) return end("what the server sends cannot be understood: load the page again");
    handleBroken();
  };

  const handleBroken = (pauseMin = 0, canBeAtOnce = true) => {
    if (state === "in") leftSince = leftSince ?? now();
    const wasSteady = state === "in" && now() - inSince >= STEADY_MS;
    drop();
    if (wasSteady) retries = 0;
    // At once only behind a connection that was good for a while, or for the first time.
    const isAtOnce = canBeAtOnce && retries === 0;
    const pause = isAtOnce ? 0 : Math.min(1000 * 2 ** (retries - (canBeAtOnce ? 1 : 0)), 30000) * (.5 + Math.random() / 2);
    retries += 1;
    state = "waiting";
    deadline = null;
    retryTimer = setTimeout(connect, Math.max(pause, pauseMin));
    notBefore = now() + pauseMin;
    showState();
  };

  /** Comes back at once: something has changed that may make the network work again, or its user says something. */
  const hurry = (retriesSoFar = Math.max(retries, 1)) => {
    if (state === "waiting" && now() >= notBefore) { retries = retriesSoFar; connect(); }
  };

  /** Nobody comes back by itself. */
  const end = (text) => {
    drop();
    clearTimeout(retryTimer);
    [state, deadline, retryTimer] = ["ended", null, null];
    showDoor(text);
  };

  const handleRefused = (reason) => {
    const wasIn = session.wasIn;
    if ([23, 40, 41, 42, 44].includes(reason) || (wasIn && [20, 21].includes(reason))) {
      if (wasIn) return handleBroken(0, false);
    } else if (reason === 22 && wasIn) {
      return handleBroken(ADDRESS_PAUSE_MS, false);
    }
    end(`You are not in the room: ${reasonText(reason)}.`);
    if (reason >= 10 && reason <= 16) element("name").setAttribute("aria-invalid", "true");
  };

  /** Confirms own messages up to this number. Their rows go when the log has got there: so a line is never out of sight. */
  const confirm = (number) => {
    session.confirmed = Math.max(session.confirmed, number);
    const lines = session.underWay.filter((line) => line.number <= number);
    session.underWay = session.underWay.filter((line) => line.number > number);
    if (lines.length > 0) push({ kind: "confirmed", lines });
    pump();
  };

  /** Gives numbers to lines that wait, and sends them, as many as may be under way. */
  const pump = () => {
    const bytes = (line) => encoder.encode(line.text).length;
    let total = session.underWay.reduce((sum, line) => sum + bytes(line), 0);
    while (state === "in" && holdUntil === null && session.waiting.length > 0 && session.underWay.length < UNDER_WAY_MAX) {
      total += bytes(session.waiting[0]);
      if (total > UNDER_WAY_BYTES_MAX) break;
      const line = session.waiting.shift();
      line.number = session.next++;
      session.underWay.push(line);
      line.head = welcome.head;
      // Kept before it is sent: a page that ends in between sends it again, and the server takes it once.
      save();
      send(write.say(line.number, line.action ? 1 : 0, line.text));
    }
  };

  const sendAgain = () => {
    holdUntil = null;
    for (const line of session.underWay) {
      line.head = welcome.head;
      send(write.say(line.number, line.action ? 1 : 0, line.text));
    }
    pump();
  };

  const handleWelcome = (message) => {
    if (message.version !== VERSION) throw new Malformed("another version");
    const seen = session.seen, isFirst = !session.wasIn;
    welcome = message;
    [state, deadline, inSince, malformed] = ["in", null, now(), 0];
    isReplay = sentSeen !== null && sentSeen.epoch === message.epoch;
    isHistory = !isReplay;
    [lagKnown, lagTold, replayedTo] = [0n, 0n, null];
    trusted = message.trusted;
    memberCount = message.members;
    if (isReplay) {
      lagKnown = message.messages > seen.messages ? message.messages - seen.messages : 0n;
      if (message.head > seen.sequence + 1n) replayedTo = message.head;
    } else {
      alreadyRead = null;
      session.seen = { epoch: message.epoch, sequence: null, messages: message.messages - BigInt(message.history) };
      session.base = { ...session.seen };
      if (seen !== null && seen.epoch !== message.epoch) push({ kind: "note", text: "The server was restarted: what was said before may be gone.", lost: true });
    }
    const lostUnread = isReplay && lagKnown > 0n && (alreadyRead === null || message.next > alreadyRead + 1n);
    if (!isFirst && leftSince !== null) {
      const seconds = Math.max(1, Math.round((now() - leftSince) / 1000));
      if (isReplay && !lostUnread) push({ kind: "note", text: `Back after ${seconds} s, nothing missed.` });
      else push({ kind: "note", text: `Back after ${seconds} s.` });
    }
    if (lostUnread) push({ kind: "note", text: `${lagKnown} messages are lost: the server does not have them any more.`, lost: true });
    if (!trusted) push({ kind: "note", text: "The server's clock may be wrong, and so may the times." });
    leftSince = null;
    session.wasIn = true;
    // Numbers below are the server's knowledge of this member; where it has forgotten that, own messages may be in what is replayed.
    session.next = Math.max(session.next, message.taken + 1);
    const isForgotten = isReplay && (message.taken === 0 || message.taken < session.confirmed) && replayedTo !== null && session.underWay.length > 0;
    // Nothing new goes before what is sent again.
    holdUntil = message.head;
    confirm(message.taken);
    if (!isForgotten) sendAgain();
    save();
    showRoom();
    if (!element("people").hidden) askWho();
  };

  const advance = (sequence, isMessage) => {
    const seen = session.seen;
    seen.sequence = sequence;
    seen.messages += lagTold + (isMessage ? 1n : 0n);
    lagTold = 0n;
    if (holdUntil !== null && sequence + 1n >= holdUntil) sendAgain();
  };

  const handleHistoryEnd = () => {
    if (isHistory) {
      session.seen.sequence = welcome.next > 0n ? welcome.next - 1n : null;
      session.seen.messages = welcome.messages;
      if (session.base.sequence === null) session.base = { ...session.seen };
      const count = welcome.history === 0 ? "nothing was said" : welcome.history === 1 ? "1 message" : `${welcome.history} messages`;
      push({ kind: "note", text: `${count} before you came` });
    }
    isHistory = false;
  };

  const handleSaid = (message) => {
    const seen = session.seen, isOld = seen.sequence !== null && message.sequence <= seen.sequence;
    if (isOld) return;
    const isOwn = !isHistory && message.name === session.name;
    const own = isOwn && session.underWay.find((line) => line.number === message.number && message.sequence >= line.head);
    if (session.base.sequence === null && message.sequence > 0n) session.base = { ...seen, sequence: message.sequence - 1n };
    if (isHistory) Object.assign(seen, { sequence: message.sequence, messages: seen.messages + 1n });
    else advance(message.sequence, true);
    const isUnread = !isHistory && (alreadyRead === null || message.sequence > alreadyRead);
    push({ ...message, isUnread, position: { ...seen }, trusted });
    if (own) confirm(own.number);
  };

  const handleAnnounced = (message) => {
    if (session.seen.sequence !== null && message.sequence <= session.seen.sequence) return;
    advance(message.sequence, false);
    if (welcome.head <= message.sequence) memberCount = Math.max(1, memberCount + (message.kind === "joined" ? 1 : -1));
    if (message.name !== session.name) push(message);
    if (!element("people").hidden) askWhoSoon();
    showState();
  };

  const handleLagged = ({ messages }) => {
    // The first one behind a replay repeats what WELCOME has told.
    const fresh = messages > lagKnown ? messages - lagKnown : 0n;
    lagKnown = 0n;
    lagTold += messages;
    if (fresh > 0n) push({ kind: "note", text: `${fresh} messages are lost: they came faster than they could be read.`, lost: true });
    if (holdUntil !== null) sendAgain();
    // Own messages may be among them. The answer to a PING tells that all before it were taken.
    const last = session.underWay.at(-1);
    if (last) { afterLag = { number: last.number, isAsked: !isPinging }; ping(); }
  };

  const handlePong = () => {
    isPinging = false;
    if (afterLag && afterLag.isAsked) {
      const { number } = afterLag;
      afterLag = null;
      confirm(number);
    } else if (afterLag) {
      afterLag.isAsked = true;
      ping();
    }
  };

  const handleUnsaid = ({ number, reason }) => {
    const line = session.underWay.find((line) => line.number === number);
    if (!line) return;
    session.underWay = session.underWay.filter((other) => other !== line);
    failRow(line, `not taken: ${reasonText(reason)}`);
    pump();
  };

  const handle = (message) => {
    if (message.kind === "refused") return handleRefused(message.reason);
    if (welcome === null) { if (message.kind === "welcome") handleWelcome(message); return; }
    switch (message.kind) {
      case "ping": return send(write.pong());
      case "pong": return handlePong();
      case "historyEnd": return handleHistoryEnd();
      case "said": return handleSaid(message);
      case "joined": case "left": return handleAnnounced(message);
      case "lagged": return handleLagged(message);
      case "unsaid": return handleUnsaid(message);
      case "members": return handleMembers(message);
    }
  };

  /** Looks after deadlines, once a second and whenever the page wakes. */
  const tick = () => {
    if (deadline !== null && now() > deadline && socket) return handleBroken();
    if (state === "in") {
      const quiet = now() - heard;
      if (quiet > welcome.goneMs) return handleBroken();
      if (quiet > welcome.pingMs) ping();
    }
    for (const line of session ? session.underWay.concat(session.waiting) : []) {
      if (line.row && now() - line.since > UNCONFIRMED_MS) line.row.querySelector(".mark").textContent = "not confirmed yet";
    }
  };
  setInterval(tick, 1000);

  /** A page that slept may have a socket that is dead without knowing. */
  const wake = () => {
    tick();
    if (state === "in" && socket.readyState !== WebSocket.OPEN) handleBroken();
    else if (state === "in") { deadline = now() + PROBE_MS; ping(); }
    else hurry();
  };

  // --- The log: drawn in batches, one for each frame of the screen, the last rows alone ---

  let backlog = [], isScheduled = false, unread = 0, below = 0, trusted = true, memberCount = 0, lastDay = null, fold = null;
  const log = element("log"), scroller = element("scroller"), pending = element("pending");
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const fullTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
  const fullDay = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

  const push = (event) => {
    backlog.push(event);
    // What would be drawn and removed again is not drawn.
    if (backlog.length > 2 * ROWS_MAX) {
      const passed = backlog.splice(0, backlog.length - ROWS_MAX);
      for (const event of passed) if (event.kind === "confirmed") event.lines.forEach(removeRow); else count(event);
      keepBase(passed);
    }
    schedule();
  };

  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    // A page that nobody sees gets no frames.
    if (document.hidden) setTimeout(draw, 200); else requestAnimationFrame(draw);
  };

  const keepBase = (events) => {
    const last = events.filter((event) => event.position).at(-1);
    if (last && session) session.base = last.position;
  };

  const count = (event) => {
    if (event.kind !== "said" || !event.isUnread || event.isCounted) return;
    event.isCounted = true;
    if (document.hidden && session && event.name !== session.name) unread += 1;
    if (session && event.name !== session.name) below += 1;
  };

  const timeOf = (event) => {
    const time = make("time", "time", clock.format(event.sentMs) + (event.trusted ? "" : " ?"));
    time.dateTime = new Date(event.sentMs).toISOString();
    time.title = fullTime.format(event.sentMs) + (event.trusted ? "" : " by a clock that may be wrong");
    return time;
  };

  const nameOf = (name) => { const made = make("bdi", `name n${colour(name)}`, display(name)); made.translate = false; return made; };

  const rowOf = (event, isOwn) => {
    const row = make("div", `row${isOwn ? " own" : ""}${event.action ? " action" : ""}`);
    const text = make("bdi", "text", display(event.text));
    row.append(nameOf(event.name), event.action ? " " : ": ", text, " ");
    if (event.action) row.prepend("* ");
    return row;
  };

  /** Adds to the row of joins and leaves that is the last one, or begins one; who comes and goes again is not in it. */
  const foldIn = (fragment, event) => {
    if (fold === null) { fold = { row: make("div", "note"), names: new Map() }; fragment.append(fold.row); }
    const was = fold.names.get(event.name);
    if (was !== undefined && was !== event.kind) fold.names.delete(event.name); else fold.names.set(event.name, event.kind);
    const listed = (kind) => [...fold.names].filter(([, k]) => k === kind).map(([name]) => display(name));
    const short = (names) => names.length > 8 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} others` : names.join(", ");
    const parts = [["joined", "joined"], ["left", "left"]].map(([kind, word]) => [listed(kind), word]).filter(([names]) => names.length > 0);
    fold.row.textContent = parts.map(([names, word]) => `${short(names)} ${word}`).join(" · ");
    fold.row.hidden = parts.length === 0;
  };

  const drawEvent = (fragment, event) => {
    if (event.kind === "confirmed") return event.lines.forEach(removeRow);
    if (event.kind === "joined" || event.kind === "left") return foldIn(fragment, event);
    fold = null;
    if (event.kind === "note") return fragment.append(make("div", event.lost ? "note lost" : "note", event.text));
    // A date of its own kind where JavaScript has none that far away.
    if (!(Math.abs(event.sentMs) < 8.64e15)) event.sentMs = 0;
    const day = new Date(event.sentMs).toDateString();
    if (day !== lastDay) {
      lastDay = day;
      fragment.append(make("div", "day", fullDay.format(event.sentMs)));
    }
    const row = rowOf(event, event.name === session.name);
    row.append(timeOf(event));
    row.position = event.position;
    fragment.append(row);
  };

  const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;

  const draw = () => {
    isScheduled = false;
    if (session === null) { backlog = []; return; }
    const isFollowing = isAtEnd();
    const batch = backlog.splice(0, document.hidden ? ROWS_MAX : ROWS_A_FRAME);
    if (batch.length > 0) {
      const fragment = document.createDocumentFragment();
      for (const event of batch) { count(event); drawEvent(fragment, event); }
      log.append(fragment);
      const passed = [];
      while (log.childElementCount > ROWS_MAX) { passed.push(log.firstElementChild); log.firstElementChild.remove(); }
      keepBase(passed);
    }
    if (isFollowing) { scroller.scrollTop = scroller.scrollHeight; below = 0; }
    showUnread();
    save();
    if (backlog.length > 0) schedule();
  };

  const showUnread = () => {
    document.title = unread > 0 ? `(${unread}) Chat` : "Chat";
    element("jump").hidden = below === 0;
    element("jump").textContent = below === 1 ? "1 new message ↓" : `${below} new messages ↓`;
  };

  const addRow = (line) => {
    line.row = rowOf({ name: session.name, text: line.text, action: line.action }, true);
    line.row.classList.add("waits");
    line.row.append(make("span", "mark", "sending"));
    pending.append(line.row);
    scroller.scrollTop = scroller.scrollHeight;
  };
  const removeRow = (line) => { if (line.row) line.row.remove(); line.row = null; };
  const failRow = (line, text) => {
    if (!line.row) return;
    line.row.classList.add("failed");
    line.row.querySelector(".mark").textContent = text;
    line.row.append(" ", makeButton("Remove", () => removeRow(line)));
  };
  const makeButton = (text, act) => { const made = make("button", "", text); made.type = "button"; made.onclick = act; return made; };

  // --- Who is here ---

  let asked = [], whoTimer = null;
  const askWho = () => { asked = []; send(write.who(0)); };
  const askWhoSoon = () => { if (whoTimer === null) whoTimer = setTimeout(() => { whoTimer = null; askWho(); }, 1500); };
  const handleMembers = ({ page, more, names }) => {
    asked.push(...names);
    if (more) return send(write.who(page + 1));
    memberCount = asked.length;
    element("names").replaceChildren(...asked.map((name) => {
      const item = make("li", "");
      item.append(nameOf(name), name === session.name ? " (you)" : "");
      return item;
    }));
    element("people-title").textContent = asked.length === 1 ? "1 is here" : `${asked.length} are here`;
    showState();
  };
  const togglePeople = (isOpen) => {
    element("people").hidden = !isOpen;
    element("people-button").setAttribute("aria-expanded", String(isOpen));
    if (isOpen) askWho();
  };

  // --- Door and room ---

  const showState = () => {
    const shown = element("state");
    const isOff = state !== "in";
    shown.classList.toggle("off", isOff && session !== null && session.wasIn);
    shown.textContent = { waiting: "no connection, trying again", connecting: "connecting…", joining: "connecting…" }[state] || "";
    element("people-button").textContent = `${memberCount} here`;
    element("people-button").setAttribute("aria-label", `${memberCount} here: who?`);
    const isIdle = state === "ended" || state === "waiting";
    element("join-button").disabled = !isIdle;
    element("join-button").textContent = isIdle ? "Join" : "Joining…";
    if (state === "waiting" && !element("door").hidden) element("refusal").textContent = "The server does not answer. Trying again…";
  };

  const showDoor = (refusal) => {
    const isNew = element("door").hidden;
    element("door").hidden = false;
    element("room").hidden = true;
    element("refusal").textContent = refusal || "";
    element("name").removeAttribute("aria-invalid");
    if (isNew && session) element("name").value = session.name;
    showState();
    element("name").focus();
    element("name").select();
  };

  const showRoom = () => {
    const isNew = element("room").hidden;
    element("door").hidden = true;
    element("room").hidden = false;
    showState();
    if (isNew) { for (const line of session.underWay.concat(session.waiting)) if (!line.row) addRow(line); element("text").focus(); }
  };

  const clearLog = () => {
    log.replaceChildren();
    pending.replaceChildren();
    [backlog, unread, below, lastDay, fold, leftSince, alreadyRead, retries, malformed] = [[], 0, 0, null, null, null, null, 0, 0];
    togglePeople(false);
    showUnread();
  };

  const join = () => {
    clearTimeout(retryTimer);
    const name = element("name").value.trim().normalize("NFC");
    element("name").removeAttribute("aria-invalid");
    element("refusal").textContent = "";
    // The name and token of a member that was in come back as that member, as long as it is the same name.
    if (!session || session.name !== name || !session.wasIn) { session = newSession(name); clearLog(); }
    save();
    retries = 0;
    connect();
  };

  const leave = () => {
    send(write.leave());
    const { name } = session;
    drop();
    clearTimeout(retryTimer);
    [state, deadline, session] = ["ended", null, null];
    save();
    clearLog();
    element("name").value = name;
    showDoor("");
  };

  const textBytesMax = () => welcome ? welcome.textBytesMax : 1024;
  const field = element("text");

  const showLeft = (text) => {
    const left = textBytesMax() - encoder.encode(field.value).length;
    const shown = element("left");
    shown.classList.toggle("wrong", left < 0 || text !== undefined);
    shown.textContent = text !== undefined ? text : left < 0 ? `${-left} bytes too long` : left < 200 ? `${left} bytes left` : "";
    field.setAttribute("aria-invalid", String(left < 0));
    fitField();
    return left >= 0;
  };

  /** Makes the field as high as its text, which has other lines on a phone that was turned. */
  const fitField = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  };

  const submit = () => {
    let text = field.value, action = false;
    if (text.trim() === "") return;
    if (text.startsWith("/me ")) [text, action] = [text.slice(4), true];
    else if (text === "/who") { field.value = ""; showLeft(); return togglePeople(true); }
    else if (text === "/quit") { field.value = ""; showLeft(); return leave(); }
    else if (text.startsWith("//")) text = text.slice(1);
    else if (text.startsWith("/")) return showLeft("There are /me, /who and /quit; //text says /text.");
    const bytes = encoder.encode(text).length;
    if (bytes > textBytesMax() || bytes === 0) { showLeft(); return; }
    const line = { number: 0, action, text, head: 0n, since: now(), row: null };
    session.waiting.push(line);
    addRow(line);
    field.value = "";
    showLeft();
    pump();
    save();
    // Nobody who waits for the room should wait for a pause as well.
    hurry(1);
  };

  // --- Start ---

  element("join").addEventListener("submit", (event) => { event.preventDefault(); if (state === "ended" || state === "waiting") join(); });
  element("say").addEventListener("submit", (event) => { event.preventDefault(); submit(); field.focus(); });
  field.addEventListener("input", () => showLeft());
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  element("people-button").addEventListener("click", () => togglePeople(element("people").hidden));
  element("people").addEventListener("keydown", (event) => {
    if (event.key === "Escape") { togglePeople(false); element("people-button").focus(); }
  });
  element("leave").addEventListener("click", leave);
  element("jump").addEventListener("click", () => { scroller.scrollTop = scroller.scrollHeight; field.focus(); });
  scroller.addEventListener("scroll", () => { if (isAtEnd() && below > 0) { below = 0; showUnread(); } });
  window.addEventListener("resize", fitField);
  // With a phone's keyboard the log gets shorter: its end stays in sight.
  new ResizeObserver(() => { if (below === 0) scroller.scrollTop = scroller.scrollHeight; }).observe(scroller);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { save(); return; }
    unread = 0;
    showUnread();
    if (session) wake();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted && session) wake(); });
  window.addEventListener("pagehide", save);
  document.addEventListener("resume", () => { if (session) wake(); });
  window.addEventListener("online", () => { if (session) wake(); });

  // For tests alone: what the page makes of texts.
  window.chatHost = { display, colour };

  const start = async () => {
    const stored = restore();
    if (stored && stored.wasIn && !(await isDuplicate(stored.token.join()))) {
      session = stored;
      // The log is filled again from where it began; what had been read before is not news.
      alreadyRead = session.seen && session.seen.sequence;
      if (session.base && session.seen && session.base.epoch === session.seen.epoch) session.seen = { ...session.base };
      showRoom();
      connect();
    } else {
      if (stored) element("name").value = stored.name;
      showDoor("");
    }
  };
  start();
})();
