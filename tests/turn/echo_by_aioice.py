"""Sends datagrams to an echo through the relay and back, with the TURN client of aioice.

    echo_by_aioice.py udp|tcp|tls SERVER PORT USER PASSWORD

Ends with status 0 and the word "all" if everything came back.
"""

import asyncio
import ssl
import sys

from aioice import turn

SIZES = [1, 2, 3, 4, 171, 1000, 1200]
ECHO = ("127.0.0.1", 3480)


class Receiver(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))


async def answered(transport, receiver, data):
    for _ in range(20):
        # Datagrams may be lost, and the echo may still be starting.
        transport.sendto(data, ECHO)
        try:
            return await asyncio.wait_for(receiver.received.get(), 0.5)
        except asyncio.TimeoutError:
            pass
    raise AssertionError(f"no answer to {len(data)} bytes")


async def main(way, server, port, user, password):
    context = False
    if way == "tls":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    transport, receiver = await turn.create_turn_endpoint(
        Receiver,
        server_addr=(server, int(port)),
        username=user,
        password=password,
        lifetime=600,
        ssl=context,
        transport="udp" if way == "udp" else "tcp",
    )
    for size in SIZES:
        data = bytes(number % 251 for number in range(size))
        answer, source = await answered(transport, receiver, data)
        assert (answer, tuple(source)) == (data, ECHO), size
    transport.close()
    print("all")


asyncio.run(main(*sys.argv[1:]))
