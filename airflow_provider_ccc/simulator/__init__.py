"""A stand-in for Alibaba Cloud Call Center (CCC) that runs on this machine.

``python -m airflow_provider_ccc.simulator`` serves it; tests use
:func:`airflow_provider_ccc.simulator.server.running`. It knows nothing of Airflow nor of this provider's own
client, so that a mistake there cannot hide behind the same mistake here. It needs the ``[simulator]`` extra.
"""
