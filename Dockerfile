# The app in a container: the wheel of this folder, and of what it needs the versions that are tested together.
#
#   docker build -t makemore-lab .
#   docker run --rm -p 127.0.0.1:8501:8501 -v makemore-lab:/data makemore-lab

FROM python:3.11-slim AS wheel
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel /source

FROM python:3.11-slim
COPY requirements.txt /
RUN pip install --no-cache-dir -r /requirements.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-cache-dir --no-deps /wheel/*.whl
RUN useradd --create-home lab && install --directory --owner=lab /data
USER lab
VOLUME /data
# In the container every address, because only what `docker run -p` opens can be reached from outside it.
ENV MMCORE_STORE=/data/makemore.sqlite \
    NUMBA_CACHE_DIR=/data/compiled \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_BROWSER_SERVER_ADDRESS=localhost
EXPOSE 8501
CMD ["makemore-lab", "--no-browser", "--port", "8501"]
