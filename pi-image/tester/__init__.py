"""Tests the card's image as a Pi would use it: boots it in QEMU and talks to it from outside."""
