"""An RTSP camera on loopback, run by Debian's Python: its pictures carry the time at which they were made.

Needs gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good and -ugly, python3-gi. Prints its port. A line
`640 480` on stdin changes the size for those who connect later; the end of stdin ends it.
"""

import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

RATE = 25


def picture(width: int, height: int) -> bytes:
    """Grey pixels: 8 x 4 fields, black or white, that are the bits of the time in milliseconds, highest first."""
    value = int(time.time() * 1000) & 0xFFFFFFFF
    rows = []
    for row in range(4):
        fields = [bytes([235 if value >> (31 - row * 8 - column) & 1 else 16]) for column in range(8)]
        line = b"".join(field * (width // 8) for field in fields)
        rows.append(line * (height // 4))
    return b"".join(rows)


def feed(source, width: int, height: int) -> None:
    due = time.monotonic()
    while True:
        buffer = Gst.Buffer.new_wrapped(picture(width, height))
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            return
        due += 1 / RATE
        time.sleep(max(0.0, due - time.monotonic()))


def launch(width: int, height: int) -> str:
    raw = f"video/x-raw,format=GRAY8,width={width},height={height},framerate={RATE}/1"
    coded = f"x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={RATE}"
    source = f"appsrc name=source is-live=true do-timestamp=true format=time caps={raw} max-buffers=2 leaky-type=2"
    return f"( {source} ! videoconvert ! video/x-raw,format=I420 ! {coded} ! rtph264pay name=pay0 pt=96 )"


def main() -> None:
    Gst.init(None)
    size = [640, 480]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch(*size))
    factory.set_shared(False)

    def configure(_factory, media) -> None:
        source = media.get_element().get_by_name("source")
        threading.Thread(target=feed, args=(source, *size), daemon=True).start()

    factory.connect("media-configure", configure)
    server.get_mount_points().add_factory("/aisle", factory)
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("shop", "s3cret"), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.attach(None)
    loop = GLib.MainLoop()

    def listen() -> None:
        for line in sys.stdin:
            size[:] = map(int, line.split())
            factory.set_launch(launch(*size))
            sys.stdout.write("changed\n")
            sys.stdout.flush()
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


main()
