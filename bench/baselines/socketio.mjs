// socket.io with its Redis adapter: rooms, as its documentation does a chat. Nothing is authenticated or kept.
// Usage: PORT=… REDIS_URL=… node socketio.mjs
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const publisher = createClient({ url: process.env.REDIS_URL });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const io = new Server({ adapter: createAdapter(publisher, subscriber), pingInterval: 300_000, pingTimeout: 300_000 });
io.on("connection", (socket) => {
  socket.on("join", async (room) => {
    await socket.join(room);
    socket.emit("joined", room);
  });
  socket.on("message", (room, text) => io.to(room).emit("message", text));
});
io.listen(Number(process.env.PORT));
