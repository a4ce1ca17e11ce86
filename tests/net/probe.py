"""placeholder"""
class Probe: pass
