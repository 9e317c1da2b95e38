"""Clients of a host's ports that go on while it is changed, and count what was lost."""

import http.client
import json
import select
import socket
import threading
import time


class Named(http.client.HTTPSConnection):
    """TLS to a port of this machine, by a name that the certificate has to be for."""

    def __init__(self, port, name, context, timeout):
        super().__init__(name, port, timeout=timeout, context=context)
        self.checks = context

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self.checks.wrap_socket(plain, server_hostname=self.host)


class Traffic:
    """Clients that ask each port all the time, one that keeps its connection and one that does not.

    `paths` says where each port is asked, `names` by which domain, and `context` knows who may certify that of port 443.
    """

    def __init__(self, host, paths, names=None, context=None):
        self.host, self.ending, self.again = host, threading.Event(), 0
        self.paths, self.names, self.context, ports = paths, names or {}, context, tuple(paths)
        self.good, self.bad, self.versions = dict.fromkeys(ports, 0), [], {port: set() for port in ports}
        self.threads = [
            threading.Thread(target=self.work, args=(port, keep)) for port in ports for keep in (True, False)
        ]
        for thread in self.threads:
            thread.start()

    def opened(self, port):
        reached = self.host.ports[port]
        if port == 443:
            return Named(reached, self.names[port], self.context, 20)
        return http.client.HTTPConnection("127.0.0.1", reached, timeout=20)

    def work(self, port, keep):
        connection = None
        while not self.ending.is_set():
            if connection and (connection.sock is None or select.select([connection.sock], [], [], 0)[0]):
                # nginx ends idle connections when it is reloaded, and clients look for that before they ask (as Go's
                # net/http and urllib3 do): no request was on its way
                connection.close()
                connection = None
            fresh = connection is None
            connection = connection or self.opened(port)
            try:
                headers = {"Host": self.names[port]} if port in self.names else {}
                connection.request("POST", self.paths[port], b"x" * 100, headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status < 500:  # whatever it says, the service said it
                    self.good[port] += 1
                    self.versions[port].add(body[:6])
                else:
                    self.bad.append((port, answer.status))
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, http.client.RemoteDisconnected) and not fresh:
                    # it was ended idle while the request was on its way: asked again, as Go's net/http does, and counted
                    self.again += 1
                else:
                    self.bad.append((port, repr(error)))
                connection.close()
                connection = None
            if not keep and connection is not None:
                connection.close()
                connection = None
            time.sleep(0.02)  # the machine is small, and a request that is lost is lost at any rate

        if connection is not None:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def nothing_lost(traffic):
    assert traffic.bad == [], traffic.bad[:5]
    assert min(traffic.good.values()) > 100, traffic.good
    assert traffic.again <= 20, traffic.again  # a few at each reload of nginx, and none of a fresh connection
    print(json.dumps({"requests": traffic.good, "lost": len(traffic.bad), "again": traffic.again}))
