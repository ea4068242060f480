"""The broker that other tests lean on: same port after a stop, nothing running after the test."""

import socket

import pytest

from tests.broker import Broker


def connects(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_line_can_be_cut_and_mended_on_the_same_port(mosquitto):
    port = mosquitto.port
    assert connects(port)
    for end in (mosquitto.stop, mosquitto.kill):
        end()
        assert not connects(port)
        mosquitto.start()
        assert mosquitto.port == port
        assert connects(port)


def test_two_brokers_stand_side_by_side(mosquitto, tmp_path):
    other = Broker(tmp_path)
    other.start()
    assert other.port != mosquitto.port
    other.stop()
    assert connects(mosquitto.port)


def test_a_wrong_setting_is_told_in_the_brokers_words(tmp_path):
    broker = Broker(tmp_path, settings="no_such_setting true")
    with pytest.raises(AssertionError, match="no_such_setting"):
        broker.start()
