FROM python:3.13-slim

# LightGBM computes with OpenMP.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 limner && install -d -o limner /data

WORKDIR /app
COPY . .
RUN pip install --no-cache-dir -c constraints.txt '.[local]'

USER 1000
ENV LIMNER_DATA=/data/store LIMNER_CACHE=/data/cache
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=5)"]
ENTRYPOINT ["limner"]
CMD ["serve", "--host", "0.0.0.0"]
