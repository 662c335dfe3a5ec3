// `ws` with each message framed once and written to every socket: what Node can do without a framework, Redis or a log.
// Usage: PORT=… node ws.mjs
import { Sender, WebSocketServer } from "ws";

const rooms = new Map();
const server = new WebSocketServer({ port: Number(process.env.PORT), host: "127.0.0.1", perMessageDeflate: false, backlog: 4096 });

server.on("connection", (socket, request) => {
  const name = request.url;
  if (!rooms.has(name)) rooms.set(name, new Set());
  const room = rooms.get(name);
  room.add(socket);
  socket.on("close", () => room.delete(socket));
  socket.on("message", (data) => {
    const parts = Sender.frame(data, { fin: true, opcode: 1, mask: false, readOnly: false, rsv1: false });
    const frame = Buffer.concat(parts);
    for (const member of room) member._socket.write(frame);
  });
});
