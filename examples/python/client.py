"""A client of Holdfast in Python, written from docs/protocol.md alone: it joins a store, writes, follows, and resumes.

It needs the standard library only. Commands come on standard input, what happens goes to standard output, a line of JSON
each; see the README beside this file.
"""
import argparse
import asyncio
import base64
import hashlib
import json
import os
import random
import ssl
import sys
import time
import urllib.parse
import uuid

ENVELOPES = {"decimal", "datetime", "bigint", "bytes", "file", "lease", "counter", "set"}
LATER = {"rate_limited", "blocked", "overloaded", "unavailable"}


class Refused(Exception):
    """The server will not have us; trying again is pointless."""


class WebSocket:
    """RFC 6455 as a client needs it: text messages, pings, close."""

    @classmethod
    async def connect(cls, url, query):
        at = urllib.parse.urlsplit(url)
        tls = ssl.create_default_context() if at.scheme in ("wss", "https") else None
        self = cls()
        port = at.port or (443 if tls else 80)
        self.reader, self.writer = await asyncio.open_connection(at.hostname, port, ssl=tls)
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            (f"GET /ws/sync/websocket?{urllib.parse.urlencode(query)} HTTP/1.1\r\nHost: {at.netloc}\r\n"
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        if " 403 " in head.split("\r\n")[0]:
            raise Refused((await self.reader.read(4096)).decode())
        proof = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if " 101 " not in head.split("\r\n")[0] or proof.decode() not in head:
            raise ConnectionError(head.split("\r\n")[0])
        return self

    def send(self, data, opcode=1):
        size = len(data)
        short, width = (size, 0) if size < 126 else (126, 2) if size < 65536 else (127, 8)
        head = bytes([0x80 | opcode, 0x80 | short]) + (size.to_bytes(width, "big") if width else b"")
        mask = os.urandom(4)
        whole = int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        self.writer.write(head + mask + whole.to_bytes(size, "big"))

    async def receive(self):
        """The next text message; raises where the server closes."""
        parts = b""
        while True:
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            data, opcode = await self.reader.readexactly(size), first & 0x0F
            if opcode == 8:
                code = int.from_bytes(data[:2], "big")
                raise Refused("4001") if code == 4001 else ConnectionError(f"closed with {code}")
            if opcode == 9:
                self.send(data, 10)
            elif opcode < 8:
                parts += data
                if first & 0x80:
                    return parts.decode()


class Replica:
    """What is committed: entries, cursor, incarnation and scope, kept in a file together with what is pending."""

    def __init__(self, file):
        self.file, self.aside = file, None
        kept = json.load(open(file)) if file and os.path.exists(file) else {}
        self.device = kept.get("device") or f"python-{uuid.uuid4()}"
        self.entries = kept.get("entries", {})
        self.cursor = kept.get("cursor", 0)
        self.incarnation, self.scope = kept.get("incarnation"), kept.get("scope")
        self.pending = kept.get("pending", [])

    def save(self):
        if not self.file:
            return
        names = ("device", "entries", "cursor", "incarnation", "scope", "pending")
        with open(self.file + ".new", "w") as out:
            json.dump({name: getattr(self, name) for name in names}, out)
        os.replace(self.file + ".new", self.file)

    def remove(self, path):
        for each in [p for p in self.entries if p == path or p.startswith(path + "/")]:
            del self.entries[each]

    def put(self, path, value, seq):
        if isinstance(value, dict) and value and value.get("_type") not in ENVELOPES:
            for key, member in value.items():
                self.put(path + "/" + key.replace("~", "~0").replace("/", "~1"), member, seq)
        else:
            self.entries[path] = [value, seq]

    def apply(self, seq, op, path, value):
        if op == "merge":
            for key, member in value.items():
                self.apply(seq, "set", path + "/" + key.replace("~", "~0").replace("/", "~1"), member)
        else:
            self.remove(path)
            if op not in ("delete", "release"):
                self.put(path, value, seq)

    def read(self, path):
        """The value at a path, a map put together from its leaves; None where nothing is."""
        if path in self.entries:
            return self.entries[path][0]
        tree = {}
        for each, (value, _) in sorted(self.entries.items()):
            if each.startswith(path + "/") or path == "":
                *maps, last = (each[len(path) + 1:] if path else each).split("/")
                node = tree
                for name in maps:
                    node = node.setdefault(name.replace("~1", "/").replace("~0", "~"), {})
                node[last.replace("~1", "/").replace("~0", "~")] = value
        return tree or None


class Client:
    def __init__(self, options):
        self.options, self.replica, self.socket = options, Replica(options.state), None
        self.topic, self.session = f"store:{options.store}", uuid.uuid4().hex[:8]
        self.refs = self.count = 0
        self.join_ref, self.in_flight, self.joined, self.pause = None, None, False, 0.1

    def push(self, event, payload, topic=None, join=False):
        self.refs += 1
        ref = str(self.refs)
        if join:
            self.join_ref = ref
        frame = [self.join_ref, ref, self.topic, event, payload] if topic is None else [None, ref, topic, event, payload]
        self.socket.send(json.dumps(frame, ensure_ascii=False).encode())
        return ref

    def write(self, op, path, value=None):
        """Queues a write; it is sent as soon as all before it are answered, again after each lost connection."""
        self.count += 1
        request = {"op": op, "path": path, "client_op_id": f"{self.replica.device}:{self.session}:{self.count}"}
        self.replica.pending.append({"request": request | ({} if op == "delete" else {"value": value}), "sent": None})
        self.replica.save()
        self.send_first()

    def send_first(self, **more):
        if self.joined and self.replica.pending and (self.in_flight is None or more):
            first = self.replica.pending[0]
            first["sent"] = first["sent"] or int(time.time() * 1000 + self.offset)
            self.in_flight = self.push("write", first["request"] | more)

    async def run(self):
        while True:
            try:
                await self.converse()
            except (OSError, EOFError, asyncio.IncompleteReadError) as error:
                tell(lost=str(error))
            self.joined = False
            await asyncio.sleep(self.pause * random.uniform(0.5, 1))
            self.pause = min(self.pause * 2, 10)

    async def converse(self):
        replica, opts = self.replica, self.options
        query = {"token": opts.token, "device_id": replica.device, "capver": 4, "vsn": "2.0.0"}
        self.socket = await WebSocket.connect(opts.url, query)
        beat = asyncio.ensure_future(self.beat())
        try:
            self.push("phx_join", {"last_store_seq": replica.cursor, "incarnation": replica.incarnation,
                                   "scope": replica.scope, "patterns": None, "snapshot": None}, join=True)
            while True:
                self.hear(*json.loads(await self.socket.receive()))
        finally:
            beat.cancel()
            self.socket.writer.close()

    async def beat(self):
        while True:
            await asyncio.sleep(30)
            self.push("heartbeat", {}, topic="phoenix")

    def hear(self, join_ref, ref, topic, event, payload):
        if event == "retry_after":
            self.pause = payload["retry_after_ms"] / 1000
        elif event == "phx_reply" and topic == self.topic:
            if ref == self.join_ref:
                self.on_join(payload["status"], payload["response"])
            elif ref == self.in_flight:
                self.on_answer(payload["status"], payload["response"])
        elif event in ("phx_close", "phx_error") and join_ref == self.join_ref:
            raise ConnectionError(event)
        elif self.joined and topic == self.topic:
            self.on_push(event, payload)

    def on_join(self, status, reply):
        if status == "error":
            raise Refused(reply["reason"]) if reply["reason"] not in LATER else ConnectionError(reply["reason"])
        self.joined, self.in_flight, self.pause = True, None, 0.1
        self.offset = reply["server_time"] - time.time() * 1000
        self.replica.coming = reply["incarnation"], reply["scope"]
        if reply["sync"] == "tail":
            self.replica.incarnation, self.replica.scope = self.replica.coming
        tell(joined=reply["store_seq"], sync=reply["sync"], why=reply["why"])
        for old in [p for p in self.replica.pending if p["sent"] and p["sent"] < reply["dedupe_since"]]:
            self.replica.pending.remove(old)
            tell(refused="outcome_unknown", id=old["request"]["client_op_id"])
        self.send_first()

    def on_answer(self, status, reply):
        if status == "error" and reply["reason"] in LATER:
            wait, ref = reply.get("retry_after_ms", 1000) / 1000, self.in_flight
            again = lambda: self.in_flight == ref and self.send_first(unblock=True)
            return asyncio.get_running_loop().call_later(wait, again)
        request = self.replica.pending.pop(0)["request"]
        self.in_flight = None
        self.replica.save()
        outcome = ("committed", reply["store_seq"]) if status == "ok" else ("refused", reply["reason"])
        tell(**dict([outcome]), id=request["client_op_id"])
        self.send_first()

    def on_push(self, event, payload):
        replica = self.replica
        if event == "events":
            if payload["from_seq"] > replica.cursor:
                raise ConnectionError("a gap")
            for seq, op, path, value, device, op_id, *_ in payload["ops"]:
                if seq > replica.cursor:
                    replica.apply(seq, op, path, value)
                    tell(seq=seq, op=op, path=path, value=value, own=device == replica.device)
            replica.cursor = max(replica.cursor, payload["to_seq"])
        elif event == "snapshot_begin":
            replica.aside, replica.chunks = {}, 0
        elif event == "snapshot_chunk":
            replica.chunks += 1
            replica.aside |= {path: [value, revision] for path, value, _, revision in payload["entries"]}
        elif event == "snapshot_end":
            if (len(replica.aside), replica.chunks) != (payload["entries"], payload["chunks"]):
                raise ConnectionError("the snapshot is not whole")
            replica.entries, replica.cursor = replica.aside, payload["seq"]
            replica.incarnation, replica.scope = replica.coming
        elif event == "catch_up_complete":
            tell(caught_up=payload["through_seq"])
        if event != "snapshot_chunk":
            replica.save()


def tell(**what):
    print(json.dumps(what), flush=True)


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "token", "store"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--state", help="a file that keeps the replica between runs")
    client = Client(parser.parse_args())
    task = asyncio.ensure_future(client.run())
    stdin = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while not task.done():
        line = asyncio.ensure_future(stdin.readline())
        await asyncio.wait([line, task], return_when=asyncio.FIRST_COMPLETED)
        if not line.done() or not line.result():
            break
        command, path, value, *_ = line.result().decode().rstrip("\n").split(" ", 2) + ["", ""]
        if command == "get":
            tell(path=path, value=client.replica.read(path))
        elif command == "cut":
            client.socket.writer.transport.abort()
        elif command in ("set", "merge", "increment", "add", "remove", "delete"):
            client.write(command, path, json.loads(value) if value else None)
    if task.done():
        task.result()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
