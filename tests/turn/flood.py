"""Sends Allocate requests without credentials from many addresses of loopback.

    flood.py SERVER PORT SOURCES REQUESTS_OF_EACH

Prints: requests answers longest_answer seconds
"""

import os
import socket
import struct
import sys
import time

REQUESTED_UDP = struct.pack("!HHBxxx", 0x0019, 4, 17)


def main(server, port, sources, of_each):
    sent = answers = longest = 0
    began = time.monotonic()
    for source in range(sources):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((f"127.1.{source >> 8}.{source & 255}", 0))
            sender.connect((server, port))
            sender.setblocking(False)
            for _ in range(of_each):
                head = struct.pack("!HHI12s", 0x0003, len(REQUESTED_UDP), 0x2112A442, os.urandom(12))
                sent += sender.send(head + REQUESTED_UDP) > 0
            # The relay serves in turn, so the last answer is soon there or never.
            sender.settimeout(0.002)
            try:
                while True:
                    longest = max(longest, len(sender.recv(2048)))
                    answers += 1
            except OSError:
                pass
    print(sent, answers, longest, time.monotonic() - began)


main(sys.argv[1], *map(int, sys.argv[2:]))
