def get_provider_info(): return {"package-name":"airflow-provider-ccc","name":"x","description":"y"}
